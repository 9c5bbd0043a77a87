/** From sign-up to sound with the official client, against a Supabase with a worker. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { MPEGDecoder } from 'mpg123-decoder'

import { ask, followBroadcasts, followRows, signUp } from './app.js'

const KEYS = {
  'publishable key': process.env.SUPABASE_PUBLISHABLE_KEY,
  'legacy anon key': process.env.SUPABASE_ANON_KEY,
}
const LIFE = ['pending', 'generating', 'completed']
const BROADCAST_COLUMNS = `id, journey_id, status, stage, stream_url, file_url, storage_path,
  duration_ms, title, error_code, error_message, started_at, expected_ready_at, completed_at, updated_at`

for (const [name, key] of Object.entries(KEYS)) {
  test(`with the ${name} a track is followed until it plays, by its owner alone`, async (t) => {
    const alice = await signUp(t, key)
    const rows = await followRows(alice, `user_id=eq.${alice.id}`)
    const broadcasts = await followBroadcasts(alice, alice.id)
    const bob = await signUp(t, key)
    const rowsOfBob = await followRows(bob) // unfiltered: only the policies keep others' rows away
    const broadcastsOfBob = await followBroadcasts(bob, bob.id)

    const id = await ask(alice, `a calm piano by the sea, for the ${name}`)
    await rows.until('her completed row', ({ new: row }) => isCompleted(row, id))
    await broadcasts.until('her completed track', ({ payload }) => isCompleted(payload, id))

    assert.deepEqual(statuses(rows.messages.map((change) => change.new)), LIFE)
    assert.deepEqual(statuses(broadcasts.messages.map(({ payload }) => payload)), LIFE)
    assert.equal(rows.messages[0].eventType, 'INSERT')
    const shown = await readTrack(alice, id, BROADCAST_COLUMNS)
    assert.deepEqual(broadcasts.messages.at(-1).payload, shown)
    assert.deepEqual(rows.messages.at(-1).new, await readTrack(alice, id, '*'))
    await assertPlayable(shown)

    assert.deepEqual(await readIds(bob), [])
    const marker = await ask(bob, `a marker, for the ${name}`)
    await rowsOfBob.until('his completed row', ({ new: row }) => isCompleted(row, marker))
    await broadcastsOfBob.until('his completed track', ({ payload }) =>
      isCompleted(payload, marker),
    )
    assert.deepEqual(ids(rowsOfBob.messages.map((change) => change.new)), [marker])
    assert.deepEqual(ids(broadcastsOfBob.messages.map(({ payload }) => payload)), [marker])
    assert.deepEqual(await readIds(bob), [marker])
    assert.deepEqual(await readIds(alice), [id])
  })
}

function isCompleted(track, id) {
  return track.id === id && track.status === 'completed'
}

function ids(tracks) {
  return [...new Set(tracks.map((track) => track.id))]
}

/** The statuses in the order in which they came, each once however often the row was written. */
function statuses(tracks) {
  return tracks
    .map((track) => track.status)
    .filter((status, index, all) => status !== all[index - 1])
}

async function readTrack({ supabase }, id, columns) {
  const { data, error } = await supabase.from('music_tracks').select(columns).eq('id', id).single()
  assert.ifError(error)
  return data
}

async function readIds({ supabase }) {
  const { data, error } = await supabase.from('music_tracks').select('id')
  assert.ifError(error)
  return data.map((row) => row.id)
}

/** Fetches the audio as a player does and decodes all of it. */
async function assertPlayable(track) {
  const response = await fetch(track.file_url)
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'audio/mpeg')
  const mp3 = new Uint8Array(await response.arrayBuffer())
  // The decoder makes two channels of one; how many there are stands in the first frame's header.
  assert.deepEqual([mp3[0], mp3[1] & 0xe0], [0xff, 0xe0])
  assert.notEqual(mp3[3] >> 6, 3, 'the audio is mono')

  const decoder = new MPEGDecoder()
  await decoder.ready
  const audio = decoder.decode(mp3)
  decoder.free()
  assert.deepEqual(audio.errors, [])
  assert.equal(audio.sampleRate, 44_100)
  assert.equal(audio.channelData.length, 2)
  const durationMs = (audio.samplesDecoded / audio.sampleRate) * 1000
  const difference = Math.abs(durationMs - track.duration_ms)
  assert.ok(difference <= 100, `${durationMs} ms were decoded, the row says ${track.duration_ms}`)
  for (const samples of audio.channelData) {
    const loudness = Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length)
    assert.ok(loudness > 0.01, `a channel is as good as silent: ${loudness}`)
  }
}
