/** What tests in the browser have done outside of it: a worker's steps, an operator's, the network's. */

import type {} from '@vitest/browser-playwright'
import type { BrowserCommand } from 'vitest/node'

import type { TimedSection } from '../../src/types.js'

const { SUPABASE_URL: url = '', SUPABASE_SECRET_KEY: key = '' } = process.env

async function call(method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = await fetch(`${url}/rest/v1/${path}`, {
    method,
    headers: { apikey: key, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  })
  const said = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${said}`)
  return said && JSON.parse(said)
}

const rpc = (name: string, body: object) => call('POST', `rpc/${name}`, body)

const WORKER = { p_worker_id: 'browser-tests' }

/** Take the track up as a worker does, up to the receipt; answers the claim. */
const take: BrowserCommand<[id: string]> = async (_, id) => {
  const sign = { p_host: 'browser', p_version: '1', p_capacity: 100, p_state: 'running' }
  await rpc('report_music_worker', { ...WORKER, ...sign, p_note: null })
  const limits = { p_limit: 100, p_lease_seconds: 600, p_version: 2 }
  const claims = (await rpc('claim_music_tracks', { ...WORKER, ...limits })) as Claim[]
  const others = claims.filter((claim) => claim.track_id !== id).map(({ claim_id }) => claim_id)
  await rpc('release_music_claims', { ...WORKER, p_claim_ids: others })
  const claim = claims.find((claim) => claim.track_id === id)
  if (!claim) throw new Error(`${id} could not be claimed.`)
  const generation = { p_generation_id: crypto.randomUUID() }
  const paid = { p_request: {}, p_model: 'mureka-9', p_expected_cost_cents: 4.5 }
  await rpc('begin_music_generation', { p_claim_id: claim.claim_id, ...generation, ...paid })
  const receipt = { p_mureka_task_id: crypto.randomUUID(), p_trace_id: null }
  await rpc('record_music_task', { ...generation, ...receipt })
  return claim.claim_id
}

interface Claim {
  claim_id: string
  track_id: string
}

/** Let the music be heard while it is made. */
const stream: BrowserCommand<[claim: string, address: string]> = (_, claim, address) =>
  rpc('report_music_stage', { p_claim_id: claim, p_stage: 'streaming', p_stream_url: address })

/** End a track with its audio, and words in time. */
const complete: BrowserCommand<[claim: string, file?: string, words?: TimedSection[]]> = (
  _,
  claim,
  file = 'https://example.com/music.mp3',
  words,
) =>
  rpc('complete_music_track', {
    p_claim_id: claim,
    p_storage_path: `tests/${claim}/1.mp3`,
    p_file_url: file,
    p_duration_ms: 20_000,
    p_timed_lyrics: words ?? null,
  })

/** End a track in error. */
const fail: BrowserCommand<[claim: string, code: string]> = (_, claim, code) =>
  rpc('fail_music_track', {
    p_claim_id: claim,
    p_outcome: 'failed',
    p_error_code: code,
    p_error_message: 'Mureka could not make it.',
  })

const remove: BrowserCommand<[id: string]> = (_, id) => call('DELETE', `music_tracks?id=eq.${id}`)

/**
 * Cut the page off the network, make and complete a track, and connect the page again. One command,
 * because the page could not ask for the second half of it.
 */
const makeWhileOffline: BrowserCommand<[id: string]> = async (step, id) => {
  await step.context.setOffline(true)
  try {
    await complete(step, (await take(step, id)) as string)
  } finally {
    await step.context.setOffline(false)
  }
}

export const commands = { take, stream, complete, fail, remove, makeWhileOffline }

type Call<Command> =
  Command extends BrowserCommand<infer Arguments> ? (...given: Arguments) => Promise<string> : never

declare module 'vitest/browser' {
  interface BrowserCommands {
    take: Call<typeof take>
    stream: Call<typeof stream>
    complete: Call<typeof complete>
    fail: Call<typeof fail>
    remove: Call<typeof remove>
    makeWhileOffline: Call<typeof makeWhileOffline>
  }
}
