// node node_server.js: serves the paths of ../scenarios.py with `ws`; prints its port.
"use strict";

const { WebSocketServer } = require("ws");

const closed = [];
const askers = [];
function tellHowClosed() {
  while (closed.length > 0 && askers.length > 0) askers.shift().send(closed.shift());
}

const paths = {
  "/echo": (socket) => {
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on("close", (code, reason) => {
      if (code !== 4001) return;
      closed.push(`${code} ${reason}`);
      tellHowClosed();
    });
  },
  "/fragments": (socket) => {
    socket.send("one, ", { fin: false });
    socket.send("two, ", { fin: false });
    socket.send("three", { fin: true });
  },
  "/ping": (socket) => {
    socket.on("pong", () => socket.send("pong"));
    socket.ping("still there?");
  },
  "/close": (socket) => socket.close(4002, "server is done"),
  "/how-closed": (socket) => {
    askers.push(socket);
    tellHowClosed();
  },
};

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  perMessageDeflate: true,
  handleProtocols: (offered) => (offered.has("second") ? "second" : false),
});
server.on("connection", (socket, request) => paths[request.url](socket));
server.on("listening", () => console.log(server.address().port));
