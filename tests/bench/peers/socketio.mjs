// The server that `scripts/bench stream` compares zapd with: socket.io for many clients of one
// room (WebSocket only, not compressed), behind a token. `node socketio.mjs TOKEN` prints
// `{"port"}`, then obeys lines on stdin, as stream_server.py does:
//
//   burst SECONDS         publish one event, wait until the sockets took it, and again
//   steady SECONDS RATE   publish so many events a second
//
// and answers each with `{"published", "cpu"}`: events, and seconds of this process's CPU.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { setImmediate as turn, setTimeout as pause } from "node:timers/promises";
import { Server } from "socket.io";

const TOKEN = process.argv[2];
const EVENT_BYTES = 400;
const FULL = 64 << 10; // bytes that may wait for one socket, as at uvicorn
const LOOK_EVERY = 8; // events between two looks at all sockets: they cost what is measured
const LATE = 2e6; // nanoseconds that the system's timers may be late without being to blame
const now = () => process.hrtime.bigint();

const http = createServer();
// A ping in ten minutes: the load client answers none, and none falls into a measurement.
const io = new Server(http, { transports: ["websocket"], serveClient: false, pingInterval: 600_000 });
const sockets = new Set();
io.use((socket, next) => next(socket.handshake.auth.token === TOKEN ? undefined : new Error("no")));
io.on("connection", (socket) => {
  socket.join("main");
  sockets.add(socket.conn.transport.socket);
  socket.on("disconnect", () => sockets.delete(socket.conn.transport.socket));
});

let serial = 0;
let text = "";

/** One event as zapd's envelope is; the load client reads `ts`. */
function event(ts) {
  return {
    id: `e1a2b3c4-${serial}`, type: "new_message", workspace: "default", session: "main",
    chat: "main:5511999990000@s.whatsapp.net", at: "2026-01-01T00:00:00.000Z", source: "live",
    data: { ts: ts.toString().padStart(20, "0"), text },
  };
}
text = "x".repeat(EVENT_BYTES - JSON.stringify(event(0n)).length);

function publish(ts) {
  serial += 1;
  io.to("main").emit("message", event(ts));
}

function isFull() {
  for (const socket of sockets) if (socket.bufferedAmount > FULL) return true;
  return false;
}

async function burst(seconds) {
  const end = now() + BigInt(Math.round(seconds * 1e9));
  const begun = serial;
  while (now() < end) {
    publish(now());
    await turn();
    if (serial % LOOK_EVERY === 0) while (isFull()) await turn();
  }
  return serial - begun;
}

async function steady(seconds, rate) {
  const begun = now();
  const count = Math.round(seconds * rate);
  for (let number = 0; number < count; number++) {
    const due = begun + BigInt(Math.round((number * 1e9) / rate));
    const early = Number(due - now()) / 1e6;
    if (early > 0) await pause(early);
    publish(Number(now() - due) > LATE ? due : now());
  }
  return count;
}

http.listen({ port: 0, host: "127.0.0.1", backlog: 2048 }, () =>
  console.log(JSON.stringify({ port: http.address().port })),
);
for await (const line of createInterface({ input: process.stdin })) {
  const [what, seconds, rate] = line.split(" ");
  const before = process.cpuUsage();
  const published = await (what === "burst" ? burst(+seconds) : steady(+seconds, +rate));
  const { user, system } = process.cpuUsage(before);
  console.log(JSON.stringify({ published, cpu: (user + system) / 1e6 }));
}
process.exit(0);
