// node node_client.js URI: runs the scenarios with `ws`, prints their results as JSON.
"use strict";

const { WebSocket } = require("ws");
const { commonScenarios, runAll, talk } = require("./scenarios.js");

const FRAGMENTS = ["one, ", "two, ", "three"];

const uri = process.argv[2];
const to = (path, action) => talk(WebSocket, uri + path, action);

function sendFragments(peer) {
  FRAGMENTS.forEach((fragment, i) => peer.socket.send(fragment, { fin: i === FRAGMENTS.length - 1 }));
  return peer.receive();
}

// What `ws` can do and browsers can't.
const scenarios = {
  ...commonScenarios(WebSocket, uri),
  fragments_sent: () => to("/echo", sendFragments),
  fragments_counted: () => to("/count", sendFragments),
  ping_sent: () =>
    to("/echo", async (peer) => {
      const pong = new Promise((resolve) => peer.socket.once("pong", resolve));
      peer.socket.ping("are you there?");
      return String(await pong);
    }),
};

runAll(scenarios).then((results) => console.log(JSON.stringify(results)));
