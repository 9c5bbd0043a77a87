/** What the tests share: users of an app with the official client, and a stack that is steered. */

import { randomUUID } from 'node:crypto'

import { createClient, type SupabaseClient } from '@supabase/supabase-js'
import ws from 'ws'

import type { Client } from '../../src/client.js'
import { MusicOfClient } from '../../src/music.js'
import { PACE } from '../../src/pace.js'
import type { Track } from '../../src/types.js'

const {
  SUPABASE_URL: url = '',
  SUPABASE_PUBLISHABLE_KEY: key = '',
  SUPABASE_SECRET_KEY: secretKey = '',
  STACK_CONTROL_URL: control = '',
} = process.env

export interface User {
  id: string
  supabase: SupabaseClient
}

/** A client as an app has it. */
export function client({ key: given = key, ...options }: Options = {}): SupabaseClient {
  return createClient(url, given, {
    ...('accessToken' in options ? {} : { auth: { storageKey: randomUUID() } }),
    realtime: { transport: ws as never }, // Node.js before 22 has no WebSocket of its own
    ...options,
  })
}

interface Options {
  key?: string
  accessToken?: () => Promise<string>
}

/** The client of a backend. */
export const backend = () => client({ key: secretKey })

const opened: { dispose(): void }[] = []

/** A new user with music of their own, which is closed after the test. */
export async function begin(pace: Partial<typeof PACE> = {}, user?: User) {
  const { id, supabase } = user ?? (await signUp())
  const music = hasty(supabase, pace)
  return { id, supabase, music }
}

/** To be called after each test: nothing is open any more, and all is well again. */
export async function end(): Promise<void> {
  opened.splice(0).forEach((music) => music.dispose())
  await steer('clear')
}

/** Takes a track up as a worker does; answers the claim. */
export const take = async (id: string) => (await steer<{ claim: string }>('take', { id })).claim

export const complete = (claim: string, more: object = { file_url: 'https://example.com/1.mp3' }) =>
  steer('complete', { claim, ...more })

export async function signUp(supabase = client()): Promise<User> {
  const { data, error } = await supabase.auth.signUp({
    email: `${randomUUID()}@example.com`,
    password: 'correct horse',
  })
  if (error) throw error
  return { id: data.user!.id, supabase }
}

export async function guest(supabase = client()): Promise<User> {
  const { data, error } = await supabase.auth.signInAnonymously()
  if (error) throw error
  return { id: data.user!.id, supabase }
}

/** Music in as much haste as a test wants. */
export function hasty(supabase: SupabaseClient, pace: Partial<typeof PACE> = {}): MusicOfClient {
  const quick = { ...PACE, rejoin: 100, linger: 50, ...pace }
  const music = new MusicOfClient(supabase as unknown as Client, 'music-tracks', quick)
  opened.push(music)
  return music
}

/** Asks the control server of the stack; `tests/support/control.py` has its routes. */
export async function steer<Answer = unknown>(path: string, body: object = {}): Promise<Answer> {
  const answer = await fetch(`${control}/${path}`, { method: 'POST', body: JSON.stringify(body) })
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  return (await answer.json()) as Answer
}


/** Resolves as soon as something is so. */
export async function until(what: string, isSo: () => unknown, patienceMs = 20_000): Promise<void> {
  const end = Date.now() + patienceMs
  while (!isSo()) {
    if (Date.now() > end) throw new Error(`It never came to this: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
