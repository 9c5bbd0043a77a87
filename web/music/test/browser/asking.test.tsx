/** Asking for music from a page, and what is shown until it plays. */

import { useState } from 'react'
import { hydrateRoot } from 'react-dom/client'
import { renderToString } from 'react-dom/server.browser'
import { expect, test, vi } from 'vitest'
import { commands } from 'vitest/browser'

import {
  MusicProvider,
  useCreateTrack,
  useMusicGeneration,
  useProgress,
  useSource,
  useTrack,
  type MusicGeneration,
} from '../../src/react.js'
import type { Track } from '../../src/types.js'
import { eventually, hide, open, show, shows, signUp } from './app.js'

test('one hook leads from the wish to the music', async () => {
  const { music } = await signUp()
  let now!: MusicGeneration
  function Studio() {
    now = useMusicGeneration()
    return <>{now.status}</>
  }
  const { page } = show(music, <Studio />)
  await shows(page, 'idle')
  expect(now).toMatchObject({ progress: 0, isGenerating: false, fileUrl: null, error: null })

  void now.triggerGeneration({ prompt: 'a waltz' })
  await shows(page, 'pending')
  await eventually(() => expect(now.track?.id).toBeDefined())
  expect(now.isGenerating).toBe(true)
  const claim = await commands.take(now.track!.id)
  await commands.stream(claim, 'https://example.com/stream.mp3')
  await eventually(() => expect(now.streamUrl).toBe('https://example.com/stream.mp3'))
  expect(now).toMatchObject({ status: 'generating', stage: 'streaming', fileUrl: null })
  await commands.complete(claim)
  await shows(page, 'completed')
  await eventually(() => expect(now.fileUrl).toBe('https://example.com/music.mp3'))
  expect(now).toMatchObject({ progress: 1, isGenerating: false, error: null, streamUrl: null })
})

test('what was asked for makes room for another track that is taken up', async () => {
  const { music } = await signUp()
  const other = await music.create({ prompt: 'a tango' })
  let now!: MusicGeneration
  let turnTo!: (id: string | undefined) => void
  function Studio() {
    const [id, setId] = useState<string>()
    turnTo = setId
    now = useMusicGeneration(id)
    return <>{now.track?.prompt ?? 'nothing'}</>
  }
  const { page } = show(music, <Studio />)
  await shows(page, 'nothing')
  const made = await now.triggerGeneration({ prompt: 'a waltz' })
  await shows(page, 'a waltz')
  turnTo(other.id)
  await shows(page, 'a tango')
  turnTo(undefined)
  await shows(page, 'nothing')
  turnTo(made!.id)
  await shows(page, 'a waltz')
})

test('the address of one track is never that of another', async () => {
  const { music } = await signUp()
  const first = await music.create({ prompt: 'a waltz' })
  const second = await music.create({ prompt: 'a tango' })
  await commands.complete(await commands.take(first.id))
  const seen = new Set<string>()
  let turnTo!: (id: string) => void
  function Turning() {
    const [id, setId] = useState(first.id)
    turnTo = setId
    const track = useTrack(id)
    const source = useSource(track)
    if (track) seen.add(`${track.prompt}: ${source?.url ?? 'nothing'}`)
    return <>{source ? 'found' : 'nothing'}</>
  }
  const { page } = show(music, <Turning />)
  await shows(page, 'found')
  turnTo(second.id)
  await shows(page, 'nothing')
  expect([...seen]).toEqual([
    'a waltz: nothing',
    'a waltz: https://example.com/music.mp3',
    'a tango: nothing',
  ])
})

test('a failure is a sentence, and the track is tried again and cancelled from there', async () => {
  const { music } = await signUp()
  let now!: MusicGeneration
  function Studio() {
    now = useMusicGeneration()
    return <>{now.status}</>
  }
  const { page } = show(music, <Studio />)
  await shows(page, 'idle')

  expect(await now.triggerGeneration({ prompt: '' })).toBeNull()
  await eventually(() => expect(now.error).toMatch(/prompt is empty/))
  expect(now).toMatchObject({ status: 'idle', isGenerating: false })

  const track = await now.triggerGeneration({ prompt: 'a waltz' })
  await shows(page, 'pending')
  expect(now.error).toBeNull()
  await commands.fail(await commands.take(track!.id), 'generation_failed')
  await shows(page, 'error')
  expect(now).toMatchObject({ error: 'Mureka could not make it.', isGenerating: false })
  await now.retry()
  await shows(page, 'pending')
  expect(now.error).toBeNull()
  await now.cancel()
  await shows(page, 'error')
  expect(now.track?.error_code).toBe('cancelled')
})

test('a request that is repeated after its answer was lost makes one track', async () => {
  let isLost = false
  const { music, supabase } = await signUp(
    open(undefined, async (...call) => {
      const answer = await fetch(...call)
      if (isLost) throw new TypeError('The answer was lost.')
      return answer
    }),
  )
  let now!: ReturnType<typeof useCreateTrack>
  function Button() {
    now = useCreateTrack()
    return <>{now.isCreating ? 'asking' : (now.track?.status ?? now.error?.message ?? 'ready')}</>
  }
  const { page } = show(music, <Button />)
  await shows(page, 'ready')
  isLost = true
  await expect(now.create({ prompt: 'a waltz' })).rejects.toThrow()
  await eventually(() => expect(now.error).not.toBeNull())
  isLost = false
  await now.create({ prompt: 'a waltz' })
  await shows(page, 'pending')
  const { data } = await supabase.from('music_tracks').select('id')
  expect(data).toEqual([{ id: now.track!.id }])

  await now.create({ prompt: 'a waltz' }) // wanted twice after all
  const { count } = await supabase.from('music_tracks').select('*', { count: 'exact', head: true })
  expect(count).toBe(2)
})

test('a bar moves by itself, stops while nobody looks, and is full at the end alone', async () => {
  const { music } = await signUp()
  const { id } = await music.create({ prompt: 'a waltz' })
  const values: number[] = []
  function Bar() {
    const { value } = useProgress(useTrack(id))
    values.push(value)
    return <>{value}</>
  }
  show(music, <Bar />)
  const claim = await commands.take(id)
  await eventually(() => expect(new Set(values).size).toBeGreaterThan(4))
  hide(true)
  await new Promise((resolve) => setTimeout(resolve, 700)) // more than one step of the bar
  const hidden = values.length
  await new Promise((resolve) => setTimeout(resolve, 1200))
  expect(values.length).toBe(hidden)
  hide(false)
  await eventually(() => expect(values.length).toBeGreaterThan(hidden))
  await commands.complete(claim)
  await eventually(() => expect(values.at(-1)).toBe(1))
  expect(values).toEqual([...values].sort((one, other) => one - other))
  expect(Math.max(...values.filter((value) => value < 1))).toBeLessThanOrEqual(0.9)
})

test('what a server has rendered is taken over as it is', async () => {
  const { music } = await signUp()
  const initial = await music.create({ prompt: 'a waltz' })
  const visitor = await signUpAgain(music, initial)
  expect(visitor.html).toContain('pending')
  await shows(visitor.page, 'pending 0')
  await commands.complete(await commands.take(initial.id))
  await shows(visitor.page, 'completed 1')
  expect(visitor.trouble).not.toHaveBeenCalled()
})

async function signUpAgain(music: Parameters<typeof show>[0], initial: Track) {
  function Page() {
    const track = useTrack(initial.id, { initial })
    return (
      <p>
        {track?.status} {Math.floor(useProgress(track).value)}
      </p>
    )
  }
  const app = (
    <MusicProvider music={music}>
      <Page />
    </MusicProvider>
  )
  const html = renderToString(app)
  const page = document.body.appendChild(document.createElement('div'))
  page.innerHTML = html
  const trouble = vi.fn()
  hydrateRoot(page, app, { onRecoverableError: trouble })
  return { html, page, trouble }
}

test('a hook without a provider says what is missing', () => {
  function Lost() {
    return <>{useTrack('x')?.status}</>
  }
  expect(() => renderToString(<Lost />)).toThrow('There is no <MusicProvider')
})
