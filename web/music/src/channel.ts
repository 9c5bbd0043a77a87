import type { Channel, Client } from './client.js'

/** What an event tells of a row; nothing where it is somebody else's. */
export interface Hint {
  id?: string
  status?: string
  updated_at?: string
}

interface Change {
  eventType: string
  new: Hint
  old: Hint
}

const LONGEST_PAUSES = 30 // times the first

/** The channel of a user: `close` ends it, `hurry` does not wait for the next attempt to join. */
export interface Listening {
  isJoined: boolean
  hasFailed: boolean
  hurry(): void
  close(): Promise<unknown>
}

/**
 * Listen to the private channel of a user, and join it again for as long as it is not closed.
 *
 * The client's own rejoin is not relied upon: it ends for good where the server closes the channel,
 * as it does when a token has run out.
 *
 * `heard` is told of each track of the user, and of each track at all that was deleted; `changed`
 * when the connection has changed, and when something may have been missed. `leaving` is what is
 * to be over first, since the same topic is the same channel until it is removed.
 */
export function listen(
  client: Client,
  userId: string,
  firstPauseMs: number,
  heard: (hint: Hint, isDeleted: boolean) => void,
  changed: () => void,
  leaving: Promise<unknown>,
): Listening {
  let channel: Channel | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let pauseMs = firstPauseMs
  let isOpen = true

  const onRow = ({ eventType, new: now, old }: Change) =>
    heard(now.id ? now : old, eventType === 'DELETE')

  async function join(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    try {
      await leaving
      await client.realtime.setAuth() // the token of now
      if (!isOpen || channel) return
      const table = { schema: 'public', table: 'music_tracks' }
      const own = client
        .channel(`music:${userId}`, { config: { private: true } })
        // First, since it throws where this is a channel that the app itself has joined.
        .on('postgres_changes', { event: '*', ...table, filter: `user_id=eq.${userId}` }, onRow)
        // A deleted row is told by its id alone, so no filter fits it.
        .on('postgres_changes', { event: 'DELETE', ...table }, onRow)
        .on('broadcast', { event: 'track' }, (said: { payload: Hint }) => heard(said.payload, false))
        .on('system', {}, changed) // rows are told from now on
      channel = own // to be removed from now on; not that of the app
      own.subscribe((status) => {
        if (channel !== own) return
        if (status === 'SUBSCRIBED') {
          listening.isJoined = true
          listening.hasFailed = false
          pauseMs = firstPauseMs
        } else rejoin()
        changed()
      })
    } catch {
      rejoin() // no WebSocket, or an app that has a channel of this name
      changed()
    }
  }

  function leave(): void {
    const left = channel
    channel = undefined
    listening.isJoined = false
    if (left) leaving = client.removeChannel(left).catch(() => {})
  }

  function rejoin(): void {
    leave()
    if (!isOpen) return
    listening.hasFailed = true
    timer = setTimeout(() => void join(), pauseMs * (0.5 + Math.random() / 2))
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSES * firstPauseMs)
  }

  const listening = {
    isJoined: false,
    hasFailed: false,
    hurry() {
      pauseMs = firstPauseMs
      if (timer) void join()
    },
    close() {
      isOpen = false
      leave()
      clearTimeout(timer)
      return leaving
    },
  }
  void join()
  return listening
}
