/** The components as people see, hear and reach them. */

import { useState } from 'react'
import { expect, test } from 'vitest'
import { commands } from 'vitest/browser'

import type { Language } from '../../src/index.js'
import { useTrack } from '../../src/react.js'
import { TrackBadge, TrackPlayer } from '../../src/ui.js'
import type { TimedSection } from '../../src/types.js'
import { eventually, show, shows, signUp, stack } from './app.js'

const [STREAM = '', FILE = ''] = stack.audio

function audioOf(page: HTMLElement): HTMLAudioElement {
  return page.querySelector('audio')!
}

test('the stream plays first, and the file goes on at the same position', async () => {
  const { music } = await signUp()
  const { id } = await music.create({ prompt: 'a waltz' })
  const { page } = show(music, <TrackPlayer id={id} />)
  await shows(page, 'a waltz')
  expect(audioOf(page).hidden).toBe(true)
  const claim = await commands.take(id)
  await commands.stream(claim, STREAM)
  await eventually(() => expect(audioOf(page).src).toBe(STREAM))
  expect(audioOf(page).hidden).toBe(false)
  await audioOf(page).play()
  audioOf(page).currentTime = 5
  await eventually(() => expect(audioOf(page).currentTime).toBeGreaterThan(5.1))

  await commands.complete(claim, FILE)
  await eventually(() => expect(audioOf(page).src).toBe(FILE))
  await eventually(() => expect(audioOf(page).currentTime).toBeGreaterThan(5.1))
  expect(audioOf(page).paused).toBe(false)
})

test('what stands still at the change stands still after it', async () => {
  const { music } = await signUp()
  const { id } = await music.create({ prompt: 'a waltz' })
  const { page } = show(music, <TrackPlayer id={id} />)
  const claim = await commands.take(id)
  await commands.stream(claim, STREAM)
  await eventually(() => expect(audioOf(page)?.duration).toBeGreaterThan(10))
  audioOf(page).currentTime = 7
  await commands.complete(claim, FILE)
  await eventually(() => expect(audioOf(page).src).toBe(FILE))
  await eventually(() => expect(audioOf(page).currentTime).toBe(7))
  expect(audioOf(page).paused).toBe(true)
})

const WORDS: TimedSection[] = [
  {
    type: 'verse',
    start_ms: 0,
    end_ms: 9000,
    lines: [
      line('first line', 0, 4000),
      line('second line', 4000, 9000),
    ],
  },
]

function line(text: string, start_ms: number, end_ms: number) {
  const half = (start_ms + end_ms) / 2
  const [one = '', two = ''] = text.split(' ')
  const words = [
    { start_ms, end_ms: half, text: one },
    { start_ms: half, end_ms, text: two },
  ]
  return { start_ms, end_ms, text, words }
}

test('words are marked as they are sung, and each line goes to its place', async () => {
  const { music } = await signUp()
  const { id } = await music.create({ prompt: 'a waltz', lyrics: 'first line\nsecond line' })
  const { page } = show(music, <TrackPlayer id={id} language="ko" />)
  await commands.complete(await commands.take(id), FILE, WORDS)
  await shows(page, /first line.*second line/)
  const list = page.querySelector('ol')!
  expect(list.getAttribute('aria-label')).toBe('가사')
  list.style.cssText = 'max-height: 1em; overflow: auto; position: relative'
  const current = () => page.querySelector('[aria-current]')?.textContent
  await eventually(() => expect(current()).toBe('first line'))

  await eventually(() => expect(audioOf(page).readyState).toBeGreaterThan(0))
  const second = [...page.querySelectorAll('button')].find((button) =>
    button.textContent?.includes('second'),
  )!
  second.focus()
  second.click()
  await eventually(() => expect(current()).toBe('second line'))
  await eventually(() => expect(page.querySelector('[data-now]')?.textContent).toMatch(/second/))
  await eventually(() => expect(list.scrollTop).toBeGreaterThan(0)) // it stays in sight
  expect(audioOf(page).currentTime).toBeGreaterThanOrEqual(4)
  await eventually(() => expect(audioOf(page).paused).toBe(false))
})

test('a failed track says why and can be tried again', async () => {
  const { music } = await signUp()
  const { id } = await music.create({ prompt: 'a waltz', title: 'My waltz' })
  const { page } = show(music, <TrackPlayer id={id} />)
  await commands.fail(await commands.take(id), 'generation_failed')
  await eventually(() => expect(page.querySelector('[role=alert]')).not.toBeNull())
  expect(page.querySelector('section')!.getAttribute('aria-label')).toBe('My waltz')
  page.querySelector('button')!.click()
  await eventually(() => expect(page.querySelector('progress')).not.toBeNull())
  expect(page.querySelector('[role=alert]')).toBeNull()
})

const SAID: Record<Language, string[]> = {
  en: ['Waiting', 'In the making', 'Ready'],
  ko: ['대기 중', '만드는 중', '완성'],
}

test.each(Object.entries(SAID))('a badge says in %s what it shows', async (language, said) => {
  const { music } = await signUp()
  const { id } = await music.create({ prompt: 'a waltz' })
  function Badge() {
    const track = useTrack(id)
    return track && <TrackBadge track={track} language={language as Language} />
  }
  const { page } = show(music, <Badge />)
  await shows(page, said[0]!)
  const claim = await commands.take(id)
  await shows(page, said[1]!)
  await commands.complete(claim)
  await shows(page, said[2]!)
  const badge = page.querySelector('[role=status]')!
  expect(badge.querySelector('svg')!.getAttribute('aria-hidden')).toBe('true')
})

test('another track in the same player starts at its beginning', async () => {
  const { music } = await signUp()
  const first = await music.create({ prompt: 'a waltz' })
  const second = await music.create({ prompt: 'a tango' })
  await commands.stream(await commands.take(first.id), STREAM)
  await commands.complete(await commands.take(second.id), FILE)
  let turnTo!: (id: string) => void
  function Turning() {
    const [id, setId] = useState(first.id)
    turnTo = setId
    return <TrackPlayer id={id} />
  }
  const { page } = show(music, <Turning />)
  await eventually(() => expect(audioOf(page)?.duration).toBeGreaterThan(10))
  audioOf(page).currentTime = 7
  turnTo(second.id)
  await eventually(() => expect(audioOf(page)?.src).toBe(FILE))
  await eventually(() => expect(audioOf(page).duration).toBeGreaterThan(10))
  expect(audioOf(page).currentTime).toBe(0)
})
