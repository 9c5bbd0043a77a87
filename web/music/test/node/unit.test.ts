import { readFileSync } from 'node:fs'

import { createClient } from '@supabase/supabase-js'
import { afterEach, expect, test, vi } from 'vitest'
import ws from 'ws'

import type { Client } from '../../src/client.js'
import {
  addressOf,
  createMusic,
  explain,
  MusicError,
  progressOf,
  sourceOf,
} from '../../src/index.js'
import { MusicOfClient } from '../../src/music.js'
import { PACE } from '../../src/pace.js'
import type { Track, TrackErrorCode, TrackStatus } from '../../src/types.js'

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const CODES = Object.keys({
  invalid_request: 0,
  moderation_blocked: 0,
  generation_failed: 0,
  generation_timeout: 0,
  over_budget: 0,
  quota_exhausted: 0,
  provider_auth: 0,
  rate_limited: 0,
  provider_unavailable: 0,
  audio_invalid: 0,
  storage_failed: 0,
  submission_unknown: 0,
  cancelled: 0,
  attempts_exhausted: 0,
  internal: 0,
} satisfies Record<TrackErrorCode, 0>) as TrackErrorCode[]

const START = Date.parse('2026-01-01T00:00:00Z')
const at = (seconds: number) => new Date(START + seconds * 1000).toISOString()

function track(changes: Partial<Track> = {}): Track {
  return {
    id: crypto.randomUUID(),
    user_id: null,
    journey_id: null,
    parent_id: null,
    prompt: 'rain',
    title: null,
    lyrics: null,
    lyrics_prompt: null,
    vocal_gender: null,
    model: null,
    audio_formats: ['mp3'],
    genre: null,
    mood: null,
    tempo: null,
    duration: null,
    status: 'generating',
    stage: 'running',
    expected_ready_at: at(40),
    stream_url: null,
    file_url: null,
    storage_path: null,
    audio_files: null,
    mureka_song_id: null,
    duration_ms: null,
    error_code: null,
    error_message: null,
    priority: 0,
    run_after: at(0),
    attempts: 0,
    created_at: at(0),
    updated_at: at(0),
    started_at: at(0),
    completed_at: null,
    ...changes,
  }
}

test('a bar grows evenly to 0.8, then ever more slowly to 0.9, and is full when all is done', () => {
  const made = track()
  const shown = (seconds: number) => progressOf(made, START + seconds * 1000)
  expect(shown(0)).toEqual({ value: 0, phase: 'making', secondsLeft: 40 })
  expect(shown(20)).toEqual({ value: 0.4, phase: 'making', secondsLeft: 20 })
  expect(shown(40).value).toBeCloseTo(0.8)
  expect(shown(80)).toEqual({ value: expect.closeTo(0.85), phase: 'late', secondsLeft: null })
  expect(shown(1e9).value).toBeLessThanOrEqual(0.9)
  const done = progressOf({ ...made, status: 'completed' })
  expect(done).toEqual({ value: 1, phase: 'done', secondsLeft: 0 })
})

test('a bar never goes back, whatever becomes of the track, until it is asked for again', () => {
  const made = track()
  const now = START + 30_000
  const { value } = progressOf(made, now)
  const later = { ...made, expected_ready_at: at(400) }
  expect(progressOf(later, now).value).toBe(value)
  expect(progressOf(later, START).value).toBe(value)
  const waits = { ...later, status: 'pending', stage: null } as const
  expect(progressOf(waits, now)).toEqual({ value, phase: 'waiting', secondsLeft: null })
  expect(progressOf({ ...waits, status: 'error' }, now)).toMatchObject({ value, phase: 'failed' })
  expect(progressOf({ ...waits, started_at: null }, now).value).toBe(0)
})

test.each(['en', 'ko'] as const)('every code and status has words (%s)', (language) => {
  const general = explain({ status: 'error', error_code: null }, language)
  for (const code of CODES) {
    const { title, sentence } = explain({ status: 'error', error_code: code }, language)
    expect(sentence, code).toMatch(/[.]$/)
    expect(sentence, code).not.toBe(general.sentence)
    expect(title, code).not.toBe('')
    expect(/\p{Script=Hangul}/u.test(title + sentence), code).toBe(language === 'ko')
  }
  for (const status of ['pending', 'generating', 'completed'] as const)
    expect(explain({ status, error_code: null }, language).sentence).toMatch(/[.]$/)
})

test('what a user can do is what the documents say', () => {
  const table = readFileSync(new URL('../../../../docs/errors.md', import.meta.url), 'utf8')
  const line = /^\| `(\w+)` \| (error|pending|pending or error) \| [^|]* \| (\w+)/gm
  const rows = [...table.matchAll(line)]
  expect(new Set(rows.map(([, code]) => code))).toEqual(new Set(CODES))
  const words: Record<string, string> = { word: 'reword', retry: 'retry', wait: 'wait' }
  for (const [, code, status, first] of rows) {
    const on = status === 'pending or error' ? 'pending' : status
    const shown = explain({ status: on as TrackStatus, error_code: code as TrackErrorCode })
    expect(shown.action, code).toBe(words[first!])
  }
})

test('what is not known is explained as what it is like', () => {
  const like = (status: string, code: string | null) =>
    explain({ status, error_code: code } as unknown as Track)
  expect(like('error', 'new_code')).toEqual(explain({ status: 'error', error_code: null }))
  expect(like('mixing', null).action).toBe('wait')
  expect(explain({ status: 'pending', error_code: null }).action).toBe('wait')
  expect(explain({ status: 'completed', error_code: null }).action).toBe('none')
})

test.each([
  ['MU009', 'wait'],
  ['MU010', 'wait'],
  ['23514', 'reword'],
  ['MU003', 'none'],
  ['unreachable', 'retry'],
  ['not_signed_in', 'none'],
  ['deleted', 'none'],
  ['moderation_blocked', 'reword'],
])('an error with the code %s is to be met with %s', (code, action) => {
  const error = new MusicError(code, 'Because.')
  expect(error).toMatchObject({ name: 'MusicError', code, action, message: 'Because.' })
})

test('a track plays its stream until it has a file, and its old file until it has a new one', async () => {
  const music = createMusic(unused())
  const stream_url = 'https://example.com/stream'
  const file_url = 'https://example.com/1.mp3'
  expect(await sourceOf(music, track())).toBeNull()
  const stream = await sourceOf(music, track({ stream_url }))
  expect(stream).toEqual({ url: stream_url, isStream: true, expiresAt: null })
  const file = await sourceOf(music, track({ stream_url, file_url }))
  expect(file).toEqual({ url: file_url, isStream: false, expiresAt: null })
})

test('an address of a private bucket is used until it is about to end', async () => {
  vi.useFakeTimers()
  const signs = vi.fn(async (path: string) => ({
    data: { signedUrl: `https://example.com/${path}?${signs.mock.calls.length}` },
    error: null,
  }))
  const music = createMusic(signing(signs))
  const row = track({ storage_path: 'a.mp3' })
  const first = await sourceOf(music, row)
  expect(first).toEqual({
    url: 'https://example.com/a.mp3?1',
    isStream: false,
    expiresAt: Date.now() + 3_600_000,
  })
  vi.advanceTimersByTime(49 * 60_000)
  expect(await sourceOf(music, row)).toEqual(first)
  vi.advanceTimersByTime(2 * 60_000)
  expect((await sourceOf(music, row))!.url).toBe('https://example.com/a.mp3?2')
})

test.each([
  ['unreachable', {}],
  ['unreachable', { status: 503 }],
  ['not_found', { status: 400 }],
])('an address that cannot be had is %s', async (code, error) => {
  const music = createMusic(signing(async () => ({ data: null, error })))
  await expect(addressOf(music, 'a.mp3')).rejects.toMatchObject({ code })
})

const signing = (createSignedUrl: unknown) =>
  ({ storage: { from: () => ({ createSignedUrl }) } }) as never

/** A client that nothing may be asked of. */
const unused = () =>
  createClient('http://127.0.0.1:9', 'key', {
    auth: { autoRefreshToken: false, persistSession: false },
    realtime: { transport: ws as never },
    global: { fetch: () => Promise.reject(new Error('Nothing is to be asked.')) },
  })

test('one client has one music, and making it touches nothing', () => {
  const client = unused()
  vi.useFakeTimers()
  const listens = vi.spyOn(client.auth, 'onAuthStateChange')
  const music = createMusic(client)
  expect(createMusic(client)).toBe(music)
  expect(createMusic(unused())).not.toBe(music)
  const row = track()
  music.put(row)
  expect(music.get(row.id)).toBe(row)
  expect(music.connection).toBe('idle')
  expect(vi.getTimerCount()).toBe(0)
  expect(listens).not.toHaveBeenCalled()
  expect(client.getChannels()).toEqual([])
})

/** As much of a client as reading needs; answers at once and counts. */
interface Session {
  user: { id: string }
}

class FakeClient {
  signOut = () => {}
  reads: string[][] = []
  rows = new Map<string, Track>()
  channels = 0
  auth = {
    onAuthStateChange: (callback: (event: string, session: Session | null) => void) => {
      void Promise.resolve().then(() => callback('INITIAL_SESSION', { user: { id: 'alice' } }))
      this.signOut = () => callback('SIGNED_OUT', null)
      return { data: { subscription: { unsubscribe: () => {} } } }
    },
  }
  realtime = { setAuth: async () => {}, getChannels: () => [], disconnect: () => {} }
  isJoinable = true
  from = () => ({
    select: () => ({
      in: (_: string, ids: string[]) => ({
        abortSignal: async () => {
          this.reads.push(ids)
          const data = ids.flatMap((id) => this.rows.get(id) ?? [])
          return { data, error: null, status: 200 }
        },
      }),
    }),
  })
  channel = () => {
    this.channels++
    const channel = {
      on: () => channel,
      subscribe: (told: (status: string) => void) => {
        void Promise.resolve().then(() => told(this.isJoinable ? 'SUBSCRIBED' : 'CHANNEL_ERROR'))
        return channel
      },
    }
    return channel
  }
  removeChannel = async () => 'ok'
}

function page() {
  vi.useFakeTimers()
  const document = { hidden: false }
  const navigator = { onLine: true }
  vi.stubGlobal('document', document)
  vi.stubGlobal('navigator', navigator)
  const target = new EventTarget()
  vi.stubGlobal('addEventListener', target.addEventListener.bind(target))
  vi.stubGlobal('removeEventListener', target.removeEventListener.bind(target))
  const hide = (hidden: boolean) => {
    document.hidden = hidden
    target.dispatchEvent(new Event('visibilitychange'))
  }
  const connect = (onLine: boolean) => {
    navigator.onLine = onLine
    target.dispatchEvent(new Event(onLine ? 'online' : 'offline'))
  }
  const show = () => target.dispatchEvent(new Event('pageshow'))
  return { hide, connect, show }
}

function followed(isJoinable = true) {
  const fake = new FakeClient()
  fake.isJoinable = isJoinable
  const row = track()
  fake.rows.set(row.id, row)
  const music = new MusicOfClient(fake as unknown as Client)
  const stop = music.watch(row.id, () => undefined)
  return { fake, music, row, stop }
}

test('a quiet hour has a read each minute while live, and each three seconds while not', async () => {
  page()
  const { fake, music } = followed()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(music.connection).toBe('live')
  fake.reads.length = 0
  await vi.advanceTimersByTimeAsync(3_600_000)
  expect(fake.reads.length).toBe(60)
  music.dispose()

  const deaf = followed(false)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(deaf.music.connection).toBe('polling')
  deaf.fake.reads.length = 0
  deaf.fake.channels = 0
  await vi.advanceTimersByTimeAsync(3_600_000)
  expect(deaf.fake.reads.length).toBe(1_200)
  expect(deaf.fake.channels).toBeGreaterThan(100) // at least twice a minute,
  expect(deaf.fake.channels).toBeLessThan(260) // and at most four times
  deaf.music.dispose()
  expect(vi.getTimerCount()).toBe(0)
})

test('a hidden page reads nothing, and all at once when it is seen again', async () => {
  const { hide, show } = page()
  const { fake } = followed(false)
  await vi.advanceTimersByTimeAsync(1_000)
  hide(true)
  fake.reads.length = 0
  await vi.advanceTimersByTimeAsync(600_000)
  expect(fake.reads.length).toBe(0)
  hide(false)
  await vi.advanceTimersByTimeAsync(0)
  expect(fake.reads.length).toBe(1)
  await vi.advanceTimersByTimeAsync(1_000)
  fake.reads.length = 0
  show()
  await vi.advanceTimersByTimeAsync(0)
  expect(fake.reads.length).toBe(1)
})

test('offline nothing is asked, and all at once when the network is back', async () => {
  const { connect } = page()
  const { fake, music } = followed(false)
  await vi.advanceTimersByTimeAsync(1_000)
  const said: string[] = []
  music.onConnection((connection) => said.push(connection))
  connect(false)
  expect(said).toEqual(['offline'])
  expect(music.connection).toBe('offline')
  fake.reads.length = 0
  await vi.advanceTimersByTimeAsync(60_000)
  expect(fake.reads.length).toBe(0)
  fake.channels = 0
  fake.isJoinable = true
  connect(true)
  await vi.advanceTimersByTimeAsync(100)
  expect(fake.reads.length).toBeGreaterThan(0)
  expect(fake.channels).toBe(1)
  expect(music.connection).toBe('live')
})

test('nothing is asked for a reader who has just signed out', async () => {
  page()
  const { fake, music, row } = followed()
  music.subscribe(row.id, () => undefined)
  await vi.advanceTimersByTimeAsync(1_000)
  fake.reads.length = 0
  fake.signOut()
  expect(music.get(row.id)).toBeUndefined()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(fake.reads).toEqual([])
})

test('who comes and goes at once, as in StrictMode, shares one channel', async () => {
  page()
  const { fake, music, row, stop } = followed()
  stop()
  for (let turn = 0; turn < 10; turn++) music.subscribe(row.id, () => undefined)()
  const leave = music.subscribe(row.id, () => undefined)
  await vi.advanceTimersByTimeAsync(PACE.linger * 2)
  expect(fake.channels).toBe(1)
  expect(music.connection).toBe('live')
  leave()
  leave()
  await vi.advanceTimersByTimeAsync(PACE.linger * 2)
  expect(music.connection).toBe('idle')
  expect(vi.getTimerCount()).toBe(0)
})

test.each([undefined, null, 'tired'])('what is aborted because of %s ends so', async (reason) => {
  page()
  const { music, row } = followed()
  const controller = new AbortController()
  const next = music.follow(row.id, { signal: controller.signal })
  const done = music.wait(row.id, { signal: controller.signal })
  const ends = [expect(next.next()), expect(done)].map(async (end) =>
    end.rejects.toSatisfy((error) => error === reason || error.name === 'AbortError'),
  )
  controller.abort(reason)
  await Promise.all(ends)
  music.dispose()
})
