/** What the tests share: an app's user with the official client, and what that user hears. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'

import { createClient } from '@supabase/supabase-js'
import ws from 'ws'

const PATIENCE_MS = 30_000

/** Messages in the order of their arrival. */
export class Inbox {
  messages = []
  #waiting = new Set()

  receive = (message) => {
    this.messages.push(message)
    this.#waiting.forEach((look) => look())
  }

  /** Resolves as soon as a message that `isMeant` accepts is here, or already was. */
  until(what, isMeant) {
    return new Promise((resolve, reject) => {
      const giveUp = setTimeout(() => {
        const heard = JSON.stringify(this.messages, null, 2)
        reject(new Error(`Never heard of ${what}; heard: ${heard}`))
      }, PATIENCE_MS)
      const look = () => {
        if (!this.messages.some(isMeant)) return
        clearTimeout(giveUp)
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
      look()
    })
  }
}

/** A new user, signed in; their connection is closed after the test `t`. */
export async function signUp(t, key) {
  // Node before 22 has no WebSocket of its own; a browser needs no option.
  const supabase = createClient(process.env.SUPABASE_URL, key, { realtime: { transport: ws } })
  t.after(() => supabase.removeAllChannels())
  const { data, error } = await supabase.auth.signUp({
    email: `${randomUUID()}@example.com`,
    password: 'correct horse',
  })
  assert.ifError(error)
  return { id: data.user.id, supabase }
}

/** Subscribes to changes of rows; resolves when none committed from now on is missed. */
export function followRows({ supabase }, filter) {
  const inbox = new Inbox()
  const changes = { event: '*', schema: 'public', table: 'music_tracks', filter }
  return new Promise((resolve, reject) => {
    supabase
      .channel('tracks')
      .on('postgres_changes', changes, inbox.receive)
      .on('system', {}, ({ extension, status, message }) => {
        if (extension !== 'postgres_changes') return
        if (status === 'ok') resolve(inbox)
        else reject(new Error(message))
      })
      .subscribe((status, error) => {
        if (status !== 'SUBSCRIBED') reject(error ?? new Error(status))
      })
  })
}

/** Joins the private topic of a user; rejects with the server's words where that is refused. */
export async function followBroadcasts({ supabase }, userId) {
  await supabase.realtime.setAuth()
  const inbox = new Inbox()
  return new Promise((resolve, reject) => {
    supabase
      .channel(`music:${userId}`, { config: { private: true } })
      .on('broadcast', { event: 'track' }, inbox.receive)
      .subscribe((status, error) => {
        if (status === 'SUBSCRIBED') resolve(inbox)
        else reject(error ?? new Error(status))
      })
  })
}

/** Asks for music; answers the id of the track. */
export async function ask({ supabase }, prompt) {
  const { data, error } = await supabase
    .from('music_tracks')
    .insert({ prompt })
    .select('id')
    .single()
  assert.ifError(error)
  return data.id
}
