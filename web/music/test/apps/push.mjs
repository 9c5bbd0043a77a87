/**
 * Runs an Edge Function in Node.js: `node push.mjs <function.js> <calls.json>` calls it with each
 * `{ secret, body }`; prints its answers, and what a push service was sent, on a line of JSON.
 */

import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { pathToFileURL } from 'node:url'

const [code, calls] = process.argv.slice(2)

const pushed = []
const service = createServer(async (request, response) => {
  let body = ''
  for await (const part of request) body += part
  pushed.push(JSON.parse(body))
  response.end('{}')
})
await new Promise((resolve) => service.listen(0, '127.0.0.1', resolve))
process.env.PUSH_URL = `http://127.0.0.1:${service.address().port}`

let handle
globalThis.Deno = {
  serve: (handler) => (handle = handler),
  env: { get: (name) => process.env[name] },
}
await import(pathToFileURL(code))

const answers = []
for (const { secret, body } of JSON.parse(readFileSync(calls, 'utf8'))) {
  const headers = { 'content-type': 'application/json', 'x-push-secret': secret }
  const sent = { method: 'POST', headers, body: JSON.stringify(body) }
  const answer = await handle(new Request('http://function', sent))
  answers.push([answer.status, await answer.text()])
}
console.log(JSON.stringify({ answers, pushed }))
service.close()
