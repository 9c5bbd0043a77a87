import { randomUUID } from 'node:crypto'

import { afterEach, expect, test } from 'vitest'

import { MusicError, sourceOf, timedLyrics } from '../../src/index.js'
import type { Track, TrackChange, TrackEvent } from '../../src/types.js'
import { backend, begin, client, complete, end, guest, hasty, steer, take, until } from './app.js'

afterEach(end)

const FILE = 'https://example.com/1.mp3'
const row = (all: TrackChange[], status: string) => all.some((track) => track?.status === status)
const states = (all: TrackChange[]) => all.map((track) => track && (track.stage ?? track.status))

test('a track is watched from its asking to its end, and each event is told once', async () => {
  const { music } = await begin()
  const events: TrackEvent[] = []
  music.onTrack((event) => events.push(event))
  const seen: TrackChange[] = []
  const track = await music.create({ prompt: 'a walk in the rain', mood: 'calm' })
  expect(track).toMatchObject({ status: 'pending', mood: 'calm' })
  music.watch(track.id, (row) => seen.push(row))
  music.watch(track.id, () => undefined)
  await until('live', () => music.connection === 'live')
  const claim = await take(track.id)
  await until('generating', () => row(seen, 'generating'))
  await steer('stage', { claim, stage: 'running' })
  await until('running', () => states(seen).includes('running'))
  await complete(claim)
  await until('the end', () => row(seen, 'completed'))

  expect(states(seen)).toEqual(['pending', 'generating', 'running', 'completed'])
  const told = events.map(({ type }) => type).filter((type) => type !== 'changed')
  expect(told).toEqual(['started', 'completed'])
  expect(await sourceOf(music, seen.at(-1)!)).toEqual({
    url: FILE,
    isStream: false,
    expiresAt: null,
  })
})

test('an iterator yields each change and ends with the track', async () => {
  const { music } = await begin()
  const { id } = await music.create({ prompt: 'a waltz' })
  const seen: Track[] = []
  let claim = ''
  for await (const track of music.follow(id)) {
    seen.push(track)
    if (track.status === 'pending') claim = await take(id)
    else if (track.status === 'generating')
      await steer('fail', { claim, code: 'generation_failed' })
  }
  expect(states(seen)).toEqual(['pending', 'generating', 'error'])
  expect(seen.at(-1)!.error_code).toBe('generation_failed')
})

test('a hundred tracks share one channel, and are read together', async () => {
  const { music, supabase } = await begin({ whileLive: 600_000 })
  const ids = Array.from({ length: 100 }, () => randomUUID())
  const { error } = await supabase
    .from('music_tracks')
    .insert(ids.map((id) => ({ id, prompt: 'rain' })))
  expect(error).toBeNull()
  const { count } = await steer<{ count: number }>('count', { path: '/rest/v1/music_tracks' })
  const seen = new Map<string, string>()
  for (const id of ids) music.watch(id, (track) => seen.set(id, track!.status))
  await until('all are seen, live', () => seen.size === 100 && music.connection === 'live')
  expect(supabase.getChannels()).toHaveLength(1)
  const { error: refusal } = await supabase
    .from('music_tracks')
    .update({ status: 'error' })
    .in('id', ids)
  expect(refusal).toBeNull()
  await until('all have ended', () => [...seen.values()].every((status) => status === 'error'))
  const { met } = await steer<{ met: number }>('counted', { count })
  expect(met).toBeLessThan(30) // the update is one of them
  await until('the channel is closed', () => !supabase.getChannels().length)
  expect(music.connection).toBe('idle')
})

test('a guest follows a track as anybody', async () => {
  const { music } = await begin({}, await guest())
  const { id } = await music.create({ prompt: 'a waltz' })
  const done = music.wait(id)
  await complete(await take(id))
  expect((await done).status).toBe('completed')
})

test('what is asked for twice is there once, though the first answer was lost', async () => {
  const { music, supabase } = await begin()
  await steer('lose', { path: '/rest/v1/music_tracks', times: 1 })
  const id = randomUUID()
  const track = await music.create({ id, prompt: 'a waltz' })
  expect(await music.create({ id, prompt: 'a waltz' })).toEqual(track)
  const { count } = await supabase.from('music_tracks').select('*', { count: 'exact', head: true })
  expect(count).toBe(1)
})

test('a track that is asked for may be watched before it is there', async () => {
  const { music } = await begin()
  const id = randomUUID()
  const asked = music.create({ id, prompt: 'a waltz' })
  const seen: TrackChange[] = []
  music.watch(id, (track) => seen.push(track))
  await asked
  await complete(await take(id))
  await until('the end', () => row(seen, 'completed'))
  expect(seen).not.toContain(null)
})

test('an id may be written in capitals', async () => {
  const { music } = await begin()
  const id = randomUUID().toUpperCase()
  const track = await music.create({ id, prompt: 'a waltz' })
  expect(track.id).toBe(id.toLowerCase())
  expect(music.get(id)).toEqual(track)
  const done = music.wait(id)
  await complete(await take(track.id))
  expect((await done).status).toBe('completed')
})

test('a track that another tab asked for has started, though it is first read as that', async () => {
  const { music, supabase } = await begin({ gather: 1_000 })
  const events: TrackEvent[] = []
  music.onTrack((event) => events.push(event))
  await until('live', () => music.connection === 'live')
  const id = randomUUID()
  await supabase.from('music_tracks').insert({ id, prompt: 'a waltz' })
  const claim = await take(id)
  await until('it is read', () => events.length)
  expect(events.map(({ type }) => type)).toEqual(['started', 'changed'])
  await complete(claim)
  await until('the end', () => events.some(({ type }) => type === 'completed'))
  expect(events.map(({ type }) => type)).not.toContain('failed')
})

test('an id that is none disturbs no other track', async () => {
  const { music } = await begin()
  const { id } = await music.create({ prompt: 'a waltz' })
  const seen: TrackChange[] = []
  music.subscribe('page-of-an-app', () => undefined)
  music.watch(id, (track) => seen.push(track))
  await expect(music.wait('42')).rejects.toMatchObject({ code: 'not_found' })
  expect(music.get('page-of-an-app')).toBeNull()
  await complete(await take(id))
  await until('the end', () => row(seen, 'completed'))
  expect(seen).not.toContain(null)
})

test('a follower may stop at the first row, also at one that was known', async () => {
  const { music } = await begin()
  const { id } = await music.create({ prompt: 'a waltz' })
  const seen: TrackChange[] = []
  const stop = music.watch(id, (track) => {
    seen.push(track)
    stop()
  })
  await until('the end', () => music.connection === 'idle')
  expect(seen).toHaveLength(1)
})

test('a track is cancelled, retried and made once more, also when that is asked twice', async () => {
  const { music } = await begin()
  const { id } = await music.create({ prompt: 'a waltz', title: 'One' })
  expect(await music.cancel(id)).toMatchObject({ status: 'error', error_code: 'cancelled' })
  expect((await music.cancel(id)).status).toBe('error')
  expect((await music.retry(id)).status).toBe('pending')
  expect((await music.retry(id)).status).toBe('pending')
  await complete(await take(id))
  const done = await music.wait(id)
  expect((await music.cancel(id)).status).toBe('completed')
  const refused = { code: 'MU001', action: 'none', track: done }
  await expect(music.retry(id)).rejects.toMatchObject(refused)
  const other = await music.anotherTake(id)
  expect(other).toMatchObject({ status: 'pending', title: 'One', parent_id: id })
  expect((await music.unfinished()).map((track) => track.id)).toEqual([other.id])
  expect(await timedLyrics(music, id)).toEqual([])
})

test('a refusal has its code, a sentence and what to do', async () => {
  const { music } = await begin()
  const refused = music.create({ prompt: ' ' })
  await expect(refused).rejects.toBeInstanceOf(MusicError)
  await expect(refused).rejects.toMatchObject({
    code: '23514',
    action: 'reword',
    message: expect.stringMatching(/^The prompt is empty/),
  })
  await expect(music.retry(randomUUID())).rejects.toMatchObject({ code: 'not_found' })
  await expect(music.wait(randomUUID())).rejects.toMatchObject({ code: 'not_found' })
})

test('without a user everything says so', async () => {
  const music = hasty(client())
  const isSo = { code: 'not_signed_in', action: 'none' }
  await expect(music.create({ prompt: 'a waltz' })).rejects.toMatchObject(isSo)
  await expect(music.wait(randomUUID())).rejects.toMatchObject(isSo)
  await expect(music.follow(randomUUID()).next()).rejects.toMatchObject(isSo)
})

test('a backend with the secret key waits for a track of any user', async () => {
  const { music } = await begin()
  const { id } = await music.create({ prompt: 'a waltz' })
  const done = hasty(backend(), { whileNot: 200 }).wait(id)
  await complete(await take(id))
  expect((await done).status).toBe('completed')
})

test('a signal ends the waiting, before it and during it', async () => {
  const { music } = await begin()
  const { id } = await music.create({ prompt: 'a waltz' })
  const before = AbortSignal.abort(new Error('no more'))
  await expect(music.wait(id, { signal: before })).rejects.toThrow('no more')
  await expect(music.follow(id, { signal: before }).next()).rejects.toThrow('no more')
  expect(music.connection).toBe('idle')
  const controller = new AbortController()
  const waiting = music.wait(id, { signal: controller.signal })
  const following = (async () => {
    for await (const _ of music.follow(id, { signal: controller.signal })) controller.abort()
  })()
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
  await expect(following).rejects.toMatchObject({ name: 'AbortError' })
  await until('idle', () => music.connection === 'idle')
})

test('whoever waits only so long is told how far it came', async () => {
  const { music } = await begin()
  const { id } = await music.create({ prompt: 'a waltz' })
  await expect(music.wait(id, { timeoutMs: 300 })).rejects.toMatchObject({
    code: 'timeout',
    action: 'wait',
    track: { id, status: 'pending' },
  })
})

test('a deleted row ends all that wait for it', async () => {
  const { music } = await begin({ whileLive: 600_000 })
  const { id } = await music.create({ prompt: 'a waltz' })
  const events: TrackEvent[] = []
  music.onTrack((event) => events.push(event))
  const seen: TrackChange[] = []
  music.watch(id, (track) => seen.push(track))
  const waiting = expect(music.wait(id)).rejects.toMatchObject({ code: 'deleted', track: { id } })
  const following = expect(
    (async () => {
      for await (const _ of music.follow(id));
    })(),
  ).rejects.toMatchObject({ code: 'deleted' })
  await until('live', () => music.connection === 'live' && seen.length)
  await steer('delete', { id })
  await Promise.all([waiting, following])
  expect(seen.at(-1)).toBeNull()
  expect(music.get(id)).toBeNull()
  expect(events.filter(({ type }) => type === 'deleted')).toEqual([{ type: 'deleted', id }])
})

test('an unknown status is passed on and counts as unfinished', async () => {
  const { music } = await begin({ whileNot: 100, whileLive: 100 })
  const track = await music.create({ prompt: 'a waltz' })
  const updated_at = new Date(Date.parse(track.updated_at) + 1).toISOString()
  const body = [{ ...track, status: 'mixing', updated_at }]
  await steer('answer', { path: '/rest/v1/music_tracks', status: 200, body, times: 1 })
  const seen: TrackChange[] = []
  music.watch(track.id, (row) => seen.push(row))
  await until('it is seen', () => row(seen, 'mixing'))
  await complete(await take(track.id))
  await until('the end', () => row(seen, 'completed'))
})

test('an older row never takes the place of a newer', async () => {
  const { music } = await begin()
  const track = await music.create({ prompt: 'a waltz' })
  const at = (updated_at: string, title: string) => music.put({ ...track, updated_at, title })
  at('2100-01-01T00:00:00.123456+00:00', 'newer')
  for (const older of ['00:00:00.123455+00:00', '00:00:00.12+00:00', '00:00:00+00:00'])
    at(`2100-01-01T${older}`, 'older')
  expect(music.get(track.id)!.title).toBe('newer')
  at('2100-01-01T00:00:00.1234561+00:00', 'newest')
  expect(music.get(track.id)!.title).toBe('newest')
})

test('the audio of a private bucket has an address that is renewed in time', async () => {
  const { music, id: userId } = await begin()
  const { id } = await music.create({ prompt: 'a waltz' })
  const path = `${userId}/${id}/1.mp3`
  const body = new Blob(['sound'], { type: 'audio/mpeg' })
  const { error } = await backend().storage.from('music-tracks').upload(path, body)
  expect(error).toBeNull()
  await complete(await take(id), { path })
  const track = await music.wait(id)
  const source = await sourceOf(music, track)
  expect(await (await fetch(source!.url)).text()).toBe('sound')
  expect(source!.expiresAt).toBeGreaterThan(Date.now())
  expect(await sourceOf(music, track)).toBe(source)
  const lost = { ...track, storage_path: `${userId}/nothing.mp3` }
  await expect(sourceOf(music, lost)).rejects.toMatchObject({ code: 'not_found' })
})
