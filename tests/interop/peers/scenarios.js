// The scenarios of ../scenarios.py with the WebSocket interface of browsers, which Node's `ws` has too.
"use strict";

const TEXT = "Hello, κόσμε 👋";
const BINARY = Uint8Array.from({ length: 256 }, (_, i) => i);
const LARGE = Uint8Array.from({ length: 2 ** 20 }, (_, i) => (i * 31 + (i >> 8)) % 256);
const SUBPROTOCOLS = ["first", "second"];

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const equal = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);

// A connection whose events can be awaited. WebSocket is the browser's class, or that of `ws`.
class Peer {
  constructor(WebSocket, url, subprotocols = []) {
    this.messages = [];
    this.wake = () => {};
    this.socket = new WebSocket(url, subprotocols);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = (event) => (this.messages.push(event.data), this.wake());
    this.opened = new Promise((resolve, reject) => {
      this.socket.onopen = resolve;
      this.socket.onerror = (event) => reject(new Error(`can't connect: ${event.message}`));
    });
    this.closed = new Promise((resolve) => {
      this.socket.onclose = (event) => (resolve([event.code, event.reason]), this.wake());
    });
  }

  async receive() {
    while (this.messages.length === 0) {
      if (this.socket.readyState > 1) throw new Error("closed while a message was expected");
      await new Promise((resolve) => (this.wake = resolve));
    }
    const message = this.messages.shift();
    return typeof message === "string" ? message : new Uint8Array(message);
  }

  async echo(message) {
    this.socket.send(message);
    return this.receive();
  }
}

// Opens a connection, does something with it, closes it.
async function talk(WebSocket, url, action, subprotocols) {
  const peer = new Peer(WebSocket, url, subprotocols);
  await peer.opened;
  const result = await action(peer);
  peer.socket.close(1000);
  await peer.closed;
  return result;
}

function commonScenarios(WebSocket, uri) {
  const to = (path, action, subprotocols) => talk(WebSocket, uri + path, action, subprotocols);
  return {
    text: () => to("/echo", (peer) => peer.echo(TEXT)),
    binary: () => to("/echo", async (peer) => hex(await peer.echo(BINARY))),
    large: () =>
      to("/echo", async (peer) => [
        (await peer.echo("x".repeat(2 ** 20))) === "x".repeat(2 ** 20),
        equal(await peer.echo(LARGE), LARGE),
      ]),
    fragments_received: () => to("/fragments", (peer) => peer.receive()),
    ping_received: () => to("/ping", (peer) => peer.receive()),
    close_sent: async () => {
      await to("/echo", (peer) => peer.socket.close(4001, "peer is done"));
      return to("/how-closed", (peer) => peer.receive());
    },
    close_received: () => to("/close", (peer) => peer.closed),
    deflate: () =>
      to("/echo", async (peer) => {
        const message = "squeeze me ".repeat(1000);
        const echo = await peer.echo(message);
        // `ws` has an object of extensions inside; the interface says a string.
        return [String(peer.socket.extensions).split(";")[0], echo === message];
      }),
    subprotocol: () => to("/echo", (peer) => peer.socket.protocol, SUBPROTOCOLS),
  };
}

// Runs scenarios one after the other; an error becomes its scenario's result.
async function runAll(scenarios) {
  const results = {};
  for (const [name, run] of Object.entries(scenarios)) {
    try {
      results[name] = await run();
    } catch (error) {
      results[name] = { error: String(error) };
    }
  }
  return results;
}

if (typeof module !== "undefined") module.exports = { commonScenarios, runAll, talk };
