// Writes the string table of WhatsApp's binary nodes (dictionary version 3) as JSON to the path given.
// The table is read from the development dependency @whiskeysockets/baileys (MIT); it is not committed.
// Run by setup.sh in .cache/loopback, where the dependency is installed.
import { writeFileSync } from 'node:fs'
import {
  DOUBLE_BYTE_TOKENS,
  SINGLE_BYTE_TOKENS,
} from '@whiskeysockets/baileys/lib/WABinary/constants.js'

const [, , path] = process.argv
if (!path) throw new Error('usage: node dump-dictionary.mjs PATH')
writeFileSync(path, JSON.stringify({ single: SINGLE_BYTE_TOKENS, double: DOUBLE_BYTE_TOKENS }))
