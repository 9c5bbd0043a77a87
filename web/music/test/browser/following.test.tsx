/** What a user sees of tracks while everything around them changes. */

import type { SupabaseClient } from '@supabase/supabase-js'
import { expect, test, vi } from 'vitest'
import { commands } from 'vitest/browser'

import { useConnection, useTrack, useTrackEvents, useTracks } from '../../src/react.js'
import type { Track } from '../../src/types.js'
import { eventually, hide, open, show, shows, signUp } from './app.js'

function Status({ id, name = 'status' }: { id: string; name?: string }) {
  const track = useTrack(id)
  return (
    <p>
      {name}: {track === null ? 'gone' : (track?.status ?? 'unknown')}.
    </p>
  )
}

function Events(handlers: Handlers) {
  useTrackEvents(handlers)
  return null
}

type Handlers = Parameters<typeof useTrackEvents>[0]

function handlers() {
  const handler = () => vi.fn<(track: Track) => void>()
  return { onStarted: handler(), onCompleted: handler(), onFailed: handler() }
}

function idsTold(handler: ReturnType<typeof handlers>['onStarted']): string[] {
  return handler.mock.calls.map(([track]) => track.id)
}

test('a track in two places is told of exactly once, in strict mode, too', async () => {
  const { music, supabase } = await signUp()
  const told = handlers()
  const first = await music.create({ prompt: 'a waltz' })
  const second = await music.create({ prompt: 'a tango' })
  const { page } = show(
    music,
    <>
      <Status id={first.id} name="one" />
      <Status id={first.id} name="another" />
      <Status id={second.id} name="second" />
      <Events {...told} />
    </>,
  )
  await shows(page, 'one: pending.another: pending.second: pending.')

  const claim = await commands.take(first.id)
  await shows(page, 'one: generating.another: generating.')
  await commands.complete(claim)
  await shows(page, 'one: completed.another: completed.')
  await commands.fail(await commands.take(second.id), 'generation_failed') // a marker
  await shows(page, 'second: error.')

  expect(idsTold(told.onCompleted)).toEqual([first.id])
  expect(idsTold(told.onFailed)).toEqual([second.id])
  expect(supabase.getChannels().length).toBeLessThanOrEqual(1)
})

test('a handler that is new with each picture is the one that is called', async () => {
  const { music } = await signUp()
  const heard: string[] = []
  function Newest({ id }: { id: string }) {
    const status = useTrack(id)?.status
    useTrackEvents({ onCompleted: () => heard.push(String(status !== undefined)) })
    return <>{status}</>
  }
  const { id } = await music.create({ prompt: 'a waltz' })
  const { page } = show(music, <Newest id={id} />)
  await shows(page, 'pending')
  await commands.complete(await commands.take(id))
  await shows(page, 'completed')
  expect(heard).toEqual(['true'])
})

test('what was shown and is shown again goes on, and the last to leave closes', async () => {
  const { music, supabase } = await signUp()
  const { id } = await music.create({ prompt: 'a waltz' })
  const { page, close } = show(music, <Status id={id} />)
  await shows(page, 'pending')
  close()
  const again = show(music, <Status id={id} />)
  await commands.take(id)
  await shows(again.page, 'generating')
  again.close()
  await eventually(() => expect(supabase.getChannels()).toEqual([]))
  expect(music.connection).toBe('idle')
})

test('a hidden tab asks for nothing, and knows at once when it is looked at', async () => {
  const asked = vi.fn(fetch)
  const { music, supabase } = await signUp(open(undefined, asked))
  const { id } = await music.create({ prompt: 'a waltz' })
  const { page } = show(music, <Status id={id} />)
  await shows(page, 'pending')
  const heard = await statusesHeard(supabase)

  hide(true)
  const before = asked.mock.calls.length
  await commands.complete(await commands.take(id))
  await eventually(() => expect(heard.at(-1)).toBe('completed'))
  expect(asked.mock.calls.slice(before)).toEqual([])
  hide(false)
  await shows(page, 'completed')
})

/** What the page is told of, hidden or not: later than the core, which also listens to broadcasts. */
async function statusesHeard(supabase: SupabaseClient): Promise<string[]> {
  const heard: string[] = []
  const changes = { event: 'UPDATE', schema: 'public', table: 'music_tracks' } as const
  await new Promise<void>((resolve) =>
    supabase
      .channel('heard')
      .on('postgres_changes', changes, ({ new: row }) => heard.push(row.status))
      .on('system', {}, ({ extension }) => extension === 'postgres_changes' && resolve())
      .subscribe(),
  )
  return heard
}

test('a browser that was offline shows what happened meanwhile', async () => {
  const { music } = await signUp()
  const { id } = await music.create({ prompt: 'a waltz' })
  const { page } = show(music, <Status id={id} />)
  await shows(page, 'pending')
  const moments: string[] = []
  addEventListener('offline', () => moments.push('offline'), { once: true })
  addEventListener('online', () => moments.push('online'), { once: true })
  await commands.makeWhileOffline(id)
  await shows(page, 'completed')
  expect(moments).toEqual(['offline', 'online'])
})

function Mine() {
  return (
    <ul>
      {useTracks().map((track) => (
        <li key={track.id}>
          {track.prompt}: {track.status}.
        </li>
      ))}
    </ul>
  )
}

test('a page that is loaded again takes up what was being made', async () => {
  const session = crypto.randomUUID()
  const before = await signUp(open(session))
  const { id } = await before.music.create({ prompt: 'a waltz' })
  const claim = await commands.take(id)
  await before.close()

  // A key of its own, since the official client logs where two share one in the same page.
  const kept = crypto.randomUUID()
  localStorage.setItem(kept, localStorage.getItem(session)!)
  const after = open(kept)
  const told = handlers()
  const { page } = show(
    after.music,
    <>
      <Mine />
      <Events {...told} />
    </>,
  )
  await shows(page, 'a waltz: generating.')
  await commands.complete(claim)
  await shows(page, 'a waltz: completed.')
  expect(told.onCompleted).toHaveBeenCalledTimes(1)
})

test('whoever signs in next sees nothing of the last user', async () => {
  const app = open()
  const alice = await signUp(app)
  const hers = await alice.music.create({ prompt: 'a waltz of hers' })
  const { page } = show(
    app.music,
    <>
      <Status id={hers.id} name="hers" />
      <Mine />
    </>,
  )
  await shows(page, /hers: pending.*a waltz of hers/)

  await app.supabase.auth.signOut()
  await eventually(() => expect(page.textContent).not.toMatch('pending'))
  await signUp(app)
  const his = await app.music.create({ prompt: 'a tango of his' })
  await shows(page, 'a tango of his: pending.')
  await commands.take(hers.id)
  await commands.take(his.id)
  await shows(page, 'a tango of his: generating.')
  expect(page.textContent).not.toMatch(/hers: (pending|generating)|waltz/)
})

test('a row that is deleted is gone from the page', async () => {
  const { music } = await signUp()
  const { id } = await music.create({ prompt: 'a waltz' })
  const { page } = show(
    music,
    <>
      <Status id={id} />
      <Mine />
    </>,
  )
  await shows(page, /status: pending.*a waltz/)
  await commands.remove(id)
  await shows(page, /^status: gone.$/)
})

test('an app can say how it hears of changes', async () => {
  const { music } = await signUp()
  const { id } = await music.create({ prompt: 'a waltz' })
  function Line() {
    return (
      <>
        {useConnection()} <Status id={id} />
      </>
    )
  }
  const { page } = show(music, <Line />)
  await shows(page, /^(connecting|live|polling) /)
})
