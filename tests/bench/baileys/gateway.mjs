// A gateway as people build one with Baileys: sessions that keep their keys in folders, and every new
// message passed on by socket.io. Talks to the loopback WhatsApp that the benchmark runs:
//
//   node gateway.mjs '{"url": "ws://…", "root": "<hex>", "folder": "…", "sessions": ["a", …],
//                      "keys": "files" | "memory", "socketIo": true}'
//
// Says on stdout, a JSON object a line: {"listening": port}, {"qr": …, "session": …}, {"open": session},
// {"closed": session, "code": …}. A line on stdin is an order: {"collect": true} (garbage), answered
// by {"collected": true}, or {"send": {"session": …, "to": jid, "text": …}}. Ends when stdin does.
import { createServer } from 'node:http'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import makeWASocket, {
  DisconnectReason,
  initAuthCreds,
  makeCacheableSignalKeyStore,
  useMultiFileAuthState,
} from '@whiskeysockets/baileys'
import { WA_CERT_DETAILS } from '@whiskeysockets/baileys/lib/Defaults/index.js'
import pino from 'pino'

const options = JSON.parse(process.argv[2])
const logger = pino({ level: process.env.BAILEYS_LOG || 'silent' }, pino.destination(2))
const sockets = new Map()
const say = (words) => process.stdout.write(`${JSON.stringify(words)}\n`)

// Baileys has no setting for whom it trusts: the object that holds the key is a mutable export.
WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(options.root, 'hex')

const io = options.socketIo ? await serve() : undefined
for (const session of options.sessions) start(session)
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { collect, send } = JSON.parse(line)
    if (collect) {
      globalThis.gc()
      say({ collected: true })
    }
    if (send) sockets.get(send.session).sendMessage(send.to, { text: send.text })
  })
  .on('close', () => process.exit(0))

async function serve() {
  const { Server } = await import('socket.io')
  const http = createServer()
  // No ping falls into a measurement; a real gateway has one each 25 s.
  const server = new Server(http, { pingInterval: 3_600_000, transports: ['websocket'] })
  await new Promise((listening) => http.listen(0, '127.0.0.1', listening))
  say({ listening: http.address().port })
  return server
}

async function start(session) {
  const { state, saveCreds } = await keysOf(session)
  connect()

  function connect() {
    const socket = makeWASocket({
      auth: state,
      waWebSocketUrl: options.url,
      logger,
      // The loopback sends no history: with it, Baileys keeps the first 20 s of messages back.
      syncFullHistory: false,
      shouldSyncHistoryMessage: () => false,
    })
    sockets.set(session, socket)
    socket.ev.on('creds.update', saveCreds)
    socket.ev.on('connection.update', ({ qr, connection, lastDisconnect }) => {
      if (qr) say({ qr, session })
      if (connection === 'open') say({ open: session })
      if (connection === 'close') {
        const code = lastDisconnect?.error?.output?.statusCode
        if (code === DisconnectReason.restartRequired) connect()
        else say({ closed: session, code, why: String(lastDisconnect?.error) })
      }
    })
    socket.ev.on('messages.upsert', ({ messages }) => {
      for (const message of messages) io?.emit('new_message', event(session, message))
    })
  }
}

// The same that an event of zapd says of a text.
function event(session, { key, pushName, message, messageTimestamp }) {
  return {
    type: 'new_message',
    session,
    chat: `${session}:${key.remoteJidAlt ?? key.remoteJid}`,
    at: new Date(Number(messageTimestamp) * 1000).toISOString(),
    source: 'live',
    data: {
      id: key.id,
      sender: key.remoteJidAlt ?? key.remoteJid,
      sender_name: pushName,
      from_me: key.fromMe,
      type: 'text',
      text: message?.conversation ?? message?.extendedTextMessage?.text,
      status: 'delivered',
      reactions: [],
    },
  }
}

async function keysOf(session) {
  if (options.keys === 'memory') return { state: inMemory(), saveCreds: () => {} }
  const folder = join(options.folder, session)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const { state, saveCreds } = await useMultiFileAuthState(folder)
  const keys = makeCacheableSignalKeyStore(state.keys, logger) // as Baileys' README has it
  return { state: { creds: state.creds, keys }, saveCreds }
}

// Kept nowhere: the fastest that keys can be, and lost with the process.
function inMemory() {
  const kept = new Map()
  const get = async (type, ids) =>
    Object.fromEntries(
      ids.filter((id) => kept.has(`${type}-${id}`)).map((id) => [id, kept.get(`${type}-${id}`)]),
    )
  const set = async (changes) => {
    for (const [type, values] of Object.entries(changes))
      for (const [id, value] of Object.entries(values))
        if (value) kept.set(`${type}-${id}`, value)
        else kept.delete(`${type}-${id}`)
  }
  return { creds: initAuthCreds(), keys: { get, set } }
}
