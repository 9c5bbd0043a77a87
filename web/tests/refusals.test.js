/** What an app user is refused, in the words that the official client hands to the app. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { ask, followBroadcasts, signUp } from './app.js'

const KEY = process.env.SUPABASE_PUBLISHABLE_KEY

for (const prompt of ['', ' \n']) {
  test(`a request with the prompt ${JSON.stringify(prompt)} is refused with the reason`, async (t) => {
    const { supabase } = await signUp(t, KEY)
    const { data, error, status } = await supabase.from('music_tracks').insert({ prompt }).select()
    assert.equal(data, null)
    assert.equal(status, 400)
    assert.equal(error.code, '23514')
    assert.match(error.message, /^The prompt is empty; say in 1 to 1024 characters/)
    const { count } = await supabase
      .from('music_tracks')
      .select('*', { count: 'exact', head: true })
    assert.equal(count, 0)
  })
}

test('a user can cancel a track but not complete it', async (t) => {
  const user = await signUp(t, KEY)
  const tracks = () => user.supabase.from('music_tracks')

  const born = await tracks().insert({ prompt: 'a waltz', status: 'completed' }).select()
  assert.equal(born.error.code, 'MU003')
  assert.equal(born.error.message, 'A new track starts as "pending"; it was given "completed".')

  const id = await ask(user, 'a waltz')
  const made = await tracks().update({ status: 'completed' }).eq('id', id).select()
  assert.equal(made.error.code, 'MU001')
  assert.match(
    made.error.message,
    /^A track cannot go from "(pending|generating)" to "completed"\.$/,
  )
  assert.match(made.error.hint, /"error" \(cancel\)/)

  const { data } = await tracks().update({ status: 'error' }).eq('id', id).select().single()
  assert.equal(data.error_code, 'cancelled')
  const revived = await tracks().update({ status: 'completed' }).eq('id', id).select()
  assert.equal(revived.error.message, 'A track cannot go from "error" to "completed".')
})

test('a user cannot listen to what is broadcast to another', async (t) => {
  const alice = await signUp(t, KEY)
  const bob = await signUp(t, KEY)
  await followBroadcasts(alice, alice.id)
  await assert.rejects(followBroadcasts(bob, alice.id), /do not have permissions to read/)
})
