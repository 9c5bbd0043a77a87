/** An app on the real stack: users with real tokens, the official client, React in a page. */

import { createClient, type SupabaseClient } from '@supabase/supabase-js'
import { StrictMode, type ReactElement } from 'react'
import { createRoot } from 'react-dom/client'
import { afterEach, beforeEach, expect, inject, vi } from 'vitest'

import { createMusic } from '../../src/index.js'
import { MusicProvider } from '../../src/react.js'
import type { Music } from '../../src/types.js'

declare module 'vitest' {
  interface ProvidedContext {
    stack: { url: string; key: string; audio: string[] }
  }
}

export const stack = inject('stack')

/** After each test everything is closed, and nothing was logged. */
const closing: (() => unknown)[] = []
const LOGS = ['log', 'info', 'warn', 'error', 'debug'] as const

beforeEach(() => {
  for (const name of LOGS) vi.spyOn(console, name)
})

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
  const logged = LOGS.flatMap((name) => vi.mocked(console[name]).mock.calls)
  vi.restoreAllMocks()
  expect(logged).toEqual([])
})

export interface App {
  supabase: SupabaseClient
  music: Music
  close: () => Promise<void>
}

export interface User extends App {
  id: string
}

const PASSWORD = 'correct horse'

/** The app as it starts in a tab; `storageKey` is where the browser keeps its session. */
export function open(storageKey: string = crypto.randomUUID(), request: typeof fetch = fetch): App {
  const supabase = createClient(stack.url, stack.key, {
    auth: { storageKey },
    global: { fetch: (...call) => request(...call) },
  })
  const music = createMusic(supabase)
  const close = async () => {
    music.dispose()
    await supabase.removeAllChannels()
    await supabase.auth.stopAutoRefresh()
  }
  closing.push(close)
  return { supabase, music, close }
}

/** A new user, signed in. */
export async function signUp(app = open()): Promise<User> {
  const email = `${crypto.randomUUID()}@example.com`
  const { data, error } = await app.supabase.auth.signUp({ email, password: PASSWORD })
  if (error) throw error
  return { ...app, id: data.user!.id }
}

/** Show something in the page, in React's strict mode as apps have it. */
export function show(music: Music, element: ReactElement): { page: HTMLElement; close: () => void } {
  const page = document.body.appendChild(document.createElement('div'))
  const root = createRoot(page)
  root.render(
    <StrictMode>
      <MusicProvider music={music}>{element}</MusicProvider>
    </StrictMode>,
  )
  const close = () => {
    root.unmount()
    page.remove()
  }
  closing.push(close)
  return { page, close }
}

/** Wait for something to be so, however slow the machine. */
export function eventually(look: () => unknown): Promise<unknown> {
  return vi.waitFor(look, { timeout: 60_000, interval: 20 })
}

export function shows(page: HTMLElement, text: string | RegExp): Promise<unknown> {
  return eventually(() => expect(page.textContent).toMatch(text))
}

/** Hide the tab as its user would, or show it. */
export function hide(isHidden: boolean): void {
  vi.spyOn(document, 'hidden', 'get').mockReturnValue(isHidden)
  vi.spyOn(document, 'visibilityState', 'get').mockReturnValue(isHidden ? 'hidden' : 'visible')
  document.dispatchEvent(new Event('visibilitychange'))
}
