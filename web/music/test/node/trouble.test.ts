import { afterEach, expect, test } from 'vitest'

import type { Connection, Track, TrackChange } from '../../src/types.js'
import { begin, client, complete, end, hasty, signUp, steer, take, until } from './app.js'

afterEach(end)

/** A track that is watched, once all is well. */
async function watched(pace = {}) {
  const user = await begin(pace)
  const { id } = await user.music.create({ prompt: 'rain' })
  const seen: TrackChange[] = []
  const heard: Connection[] = []
  user.music.onConnection((connection) => heard.push(connection))
  user.music.watch(id, (track) => seen.push(track))
  const isSeen = (status: string) => () => seen.at(-1)?.status === status
  return { ...user, userId: user.id, id, seen, heard, isSeen }
}

const live = async (of: Awaited<ReturnType<typeof watched>>) => {
  await until('live', () => of.music.connection === 'live' && of.seen.length > 0)
  return of
}

test('where Realtime refuses, the track is polled, until it accepts', async () => {
  await steer('realtime', { refuse_private: true })
  const { music, id, heard, isSeen } = await watched({ whileNot: 200 })
  await until('polling', () => music.connection === 'polling')
  const claim = await take(id)
  await until('generating', isSeen('generating'))
  await steer('realtime', { refuse_private: false })
  await until('live', () => music.connection === 'live')
  await complete(claim)
  await until('the end', isSeen('completed'))
  expect(heard).toEqual(expect.arrayContaining(['connecting', 'polling', 'live']))
})

test('where Realtime looks well and says nothing, a slow read finds out', async () => {
  const { id, isSeen } = await live(await watched({ whileLive: 1_500 }))
  await steer('realtime', { swallow_changes: true, swallow_broadcasts: true })
  await complete(await take(id))
  await until('the end', isSeen('completed'))
})

for (const swallowed of ['swallow_changes', 'swallow_broadcasts']) {
  test(`one of both ways is enough (${swallowed})`, async () => {
    await steer('realtime', { [swallowed]: true })
    const { id, isSeen } = await live(await watched({ whileLive: 600_000, whileNot: 600_000 }))
    await complete(await take(id))
    await until('the end', isSeen('completed'))
  })
}

test('a connection that is cut is made again, and what was missed is read', async () => {
  const { id, heard, isSeen, supabase } = await live(
    await watched({ whileLive: 600_000, whileNot: 600_000 }),
  )
  heard.length = 0
  await steer('cut')
  const claim = await take(id)
  await until('live again', () => heard.at(-1) === 'live')
  await until('generating', isSeen('generating'))
  expect(supabase.getChannels()).toHaveLength(1)
  await complete(claim)
  await until('the end', isSeen('completed'))
})

test('whoever comes back while the channel is being left is heard at once', async () => {
  const { music, supabase } = await begin()
  const { id } = await music.create({ prompt: 'rain' })
  const heard: Connection[] = []
  music.onConnection((connection) => heard.push(connection))
  for (let turn = 0; turn < 5; turn++) {
    const stop = music.subscribe(id, () => undefined)
    await until('live', () => music.connection === 'live')
    stop()
    await until('idle', () => music.connection === 'idle')
    if (turn % 2) await until('all is closed', () => !supabase.realtime.isConnected())
  }
  expect(heard).not.toContain('polling')
})

test('a token that runs out closes the channel, and the token of now opens it again', async () => {
  const { id, userId, music, heard, isSeen, supabase } = await live(
    await watched({ whileLive: 600_000, whileNot: 600_000 }),
  )
  const { token } = await steer<{ token: string }>('token', { user_id: userId, seconds: 10 })
  heard.length = 0
  await supabase.realtime.setAuth(token) // as of a tab that slept while it was to be renewed
  await until('it has run out', () => heard.some((connection) => connection !== 'live'))
  await until('live again', () => music.connection === 'live')
  expect(supabase.realtime.accessTokenValue).not.toBe(token)
  await complete(await take(id))
  await until('the end', isSeen('completed'))
})

test('with the API away nothing is lost, and nothing is said to be gone', async () => {
  const pace = { whileLive: 300, whileNot: 100 }
  const { id, music, seen, heard, isSeen } = await live(await watched(pace))
  const claim = await take(id)
  await until('generating', isSeen('generating'))
  await steer('away', { path: '/rest/v1/music_tracks' })
  await until('offline', () => music.connection === 'offline')
  await expect(music.create({ prompt: 'rain' })).rejects.toMatchObject({
    code: 'unreachable',
    action: 'retry',
  })
  await complete(claim)
  await steer('clear')
  await until('the end', isSeen('completed'))
  expect(seen).not.toContain(null)
  expect(heard).toContain('offline')
})

test('an API that never answers is asked again', async () => {
  const { id, isSeen } = await live(await watched({ request: 500, whileNot: 200, whileLive: 300 }))
  await steer('hold', { path: '/rest/v1/music_tracks', times: 2 })
  await complete(await take(id))
  await until('the end', isSeen('completed'))
})

test('an answer that says nothing about a track says so to whoever waits', async () => {
  const { id, music } = await watched({ whileNot: 200 })
  const body = { code: 'PGRST205', message: 'There is no such table.' }
  await steer('answer', { path: '/rest/v1/music_tracks', status: 404, body })
  await expect(music.wait(id)).rejects.toMatchObject({ code: 'PGRST205', action: 'none' })
})

test('signing out empties everything, and the next user sees nothing of it', async () => {
  const { id, music, seen, supabase } = await live(await watched())
  let told = 0
  music.subscribe(id, () => told++)
  const waiting = expect(music.wait(id)).rejects.toMatchObject({ code: 'not_signed_in' })
  const known: unknown[] = []
  music.watch(id, (track) => track ?? known.push(music.get(id)))
  await supabase.auth.signOut()
  await waiting
  expect(known).toEqual([undefined])
  expect(seen.at(-1)).toBeNull()
  expect(music.get(id)).toBeUndefined()
  expect(told).toBe(1)
  await until('the channel is closed', () => !supabase.getChannels().length)

  const bob = await signUp(supabase)
  await until('it is not his', () => music.get(id) === null)
  await until('live', () => music.connection === 'live')
  expect(supabase.getChannels().map(({ topic }) => topic)).toEqual([`realtime:music:${bob.id}`])
  const heard: string[] = []
  music.onTrack((event) => event.type !== 'deleted' && heard.push(event.track.id))
  const his = await music.create({ prompt: 'rain' })
  await complete(await take(his.id))
  await until('his own is heard of', () => music.get(his.id)?.status === 'completed')
  expect(new Set(heard)).toEqual(new Set([his.id]))
})

test('an answer that comes after the user has left is not kept', async () => {
  const { music, supabase } = await live(await watched())
  await steer('hold', { path: '/rest/v1/music_tracks', times: 1 })
  const asking = music.create({ prompt: 'rain' })
  await supabase.auth.signOut({ scope: 'local' })
  await steer('clear')
  const track = await asking
  expect(music.get(track.id)).toBeUndefined()
})

test('after a reload in the middle the unfinished tracks are taken up again', async () => {
  const { id, music, supabase } = await live(await watched())
  const ended = await music.create({ prompt: 'ended' })
  await music.cancel(ended.id)
  const { data } = await supabase.auth.getSession()
  const claim = await take(id)
  music.dispose()

  const reloaded = client()
  await reloaded.auth.setSession(data.session!)
  const again = hasty(reloaded)
  const [track, ...others] = await again.unfinished()
  expect(others).toEqual([])
  expect(track).toMatchObject({ id, status: 'generating' })
  const events: string[] = []
  again.onTrack((event) => events.push(event.type))
  const done = again.wait(id)
  await complete(claim)
  expect((await done).status).toBe('completed')
  expect(events.filter((type) => type === 'completed')).toHaveLength(1)
})

test('a client with tokens of another sign-in is polled for', async () => {
  const { id, music, supabase } = await live(await watched())
  const { data } = await supabase.auth.getSession()
  const token = data.session!.access_token
  const other = hasty(client({ accessToken: async () => token }), { whileNot: 200 })
  const done = other.wait(id)
  await until('polling', () => other.connection === 'polling')
  await music.cancel(id)
  expect((await done).error_code).toBe('cancelled')
})

test('a listener that throws disturbs no other', async () => {
  const thrown: unknown[] = []
  const keep = (error: unknown) => thrown.push(error)
  const before = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', keep)
  try {
    const { music, id } = await live(await watched())
    music.watch(id, (track: Track | null) => {
      if (track?.status === 'completed') throw new Error('of the app')
    })
    const done = music.wait(id)
    await complete(await take(id))
    await done
    await until('it is thrown all the same', () => thrown.length)
    expect(String(thrown[0])).toContain('of the app')
  } finally {
    process.off('uncaughtException', keep)
    before.forEach((listener) => process.on('uncaughtException', listener))
  }
})

test('whoever hears of all tracks hears of the end that no event told', async () => {
  const { music } = await begin({ whileLive: 300, whileNot: 200 })
  const told: string[] = []
  music.onTrack(({ type }) => told.push(type))
  await until('live', () => music.connection === 'live')
  const { id } = await music.create({ prompt: 'rain' })
  await steer('realtime', { swallow_changes: true, swallow_broadcasts: true })
  await complete(await take(id))
  await until('the end', () => told.includes('completed'))
})

test('a channel that the app itself has joined goes on', async () => {
  const { music, supabase, id: userId } = await begin({ whileNot: 200 })
  const told: string[] = []
  const heard: unknown[] = []
  supabase
    .channel(`music:${userId}`, { config: { private: true } })
    .on('broadcast', { event: 'track' }, (event) => heard.push(event))
    .subscribe((status) => told.push(status))
  await until('joined', () => told.includes('SUBSCRIBED'))
  const { id } = await music.create({ prompt: 'rain' })
  const done = music.wait(id)
  await until('polling', () => music.connection === 'polling')
  await complete(await take(id))
  expect((await done).status).toBe('completed')
  await until('what was broadcast', () => heard.length > 0)
  expect(told).toEqual(['SUBSCRIBED'])
})
