// The Data API in front of a PostgreSQL: `node serve.mjs <socket directory> <database>`.
// Reads its secrets from the environment, prints the port that it got, ends with its stdin.
import { createHmac, timingSafeEqual } from "node:crypto";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [directory, database, packages] = process.argv.slice(2);
const { SECRET_KEY, PUBLISHABLE_KEY, JWT_SECRET } = process.env;

// The packages lie in the cache, this file in the tree.
const require = createRequire(join(packages, "package.json"));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const packaged = (path) => import(pathToFileURL(join(packages, "node_modules/@supabase/lite/dist", path)));
const { serve } = await load("@hono/node-server");
const { App } = await packaged("index.js");
const { PostgresConnection } = await packaged("db/postgres/PostgresConnection.js");

// check violated, raised by a trigger, cancelled by a time limit: with PostgREST's HTTP status
const PASSED_ON = { 23514: 400, P0001: 400, 57014: 500 };

class Connection extends PostgresConnection {
  // The original grants every role everything on its first request; ours are in the migration.
  async ensureRlsContext() {
    return true;
  }

  // What lite has no answer for, it answers with a code of its own ("SUP"). PostgREST passes the
  // SQLSTATE on, as lite does too for an error that a function raised as PostgREST's own.
  normalizeDbError(given) {
    const error = super.normalizeDbError(given);
    const status = PASSED_ON[error?.code];
    if (!status) return error;
    const { code, message, detail = null, hint = null } = error;
    const said = JSON.stringify({ code, message, details: detail, hint });
    return Object.assign(new Error(said), { code: "PGRST", detail: JSON.stringify({ status, headers: {} }) });
  }
}

// PostgREST has PostgreSQL write its JSON, where times are ISO 8601; lite passes on the text form.
const iso = (text) => text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00");

// A function's argument of the type json comes as text: the driver would make it a string in JSON.
const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));

const connection = new Connection({
  postgresOptions: {
    host: directory, // a path: the Unix socket's directory
    port: 5432,
    database,
    username: "postgres",
    max: 8,
    onnotice: () => {},
    types: {
      timestamptz: { to: 1184, from: [1184], serialize: (x) => x, parse: iso },
      json: { to: 114, from: [114], serialize: text, parse: JSON.parse },
    },
  },
});

// The old kind of key: a token whose role is anon or service_role, signed with the project's secret.
function legacyRole(key) {
  const [head, payload, signature] = key.split(".");
  if (!signature) return null;
  const right = createHmac("sha256", JWT_SECRET).update(`${head}.${payload}`).digest();
  const given = Buffer.from(signature, "base64url");
  if (given.length !== right.length || !timingSafeEqual(given, right)) return null;
  const { role, sub } = JSON.parse(Buffer.from(payload, "base64url"));
  return !sub && ["anon", "service_role"].includes(role) ? role : null;
}

async function resolver(key) {
  if (key === SECRET_KEY) return { type: "secret", claims: { role: "service_role" } };
  if (key === PUBLISHABLE_KEY) return { type: "publishable", claims: { role: "anon" } };
  const role = legacyRole(key);
  if (!role) return null;
  return { type: role === "anon" ? "publishable" : "secret", claims: { role } };
}

const app = new App({
  connection,
  auth: { enabled: true, jwt_secret: JWT_SECRET, publishable_key: PUBLISHABLE_KEY, secret_key: SECRET_KEY },
  options: { server: { admin: false, disableStudio: true, disableFallback: true, apiKeys: { resolver } } },
});
await app.init();
await connection.driver.listen("pgrst", () => connection.clearSchemaCache());

serve({ fetch: (request) => app.fetch(request, { peerAddress: null }), hostname: "127.0.0.1", port: 0 }, ({ port }) => {
  process.stdout.write(`${port}\n`);
});
process.stdin.on("end", () => process.exit(0)).resume();
