import type { Channel, Client } from './client.js'

interface Change {
  eventType: string
  new: { id?: string }
  old: { id?: string }
}

interface Said {
  payload: { id?: string }
}

export interface Hearing {
  /** Something happened to this track; with `isDeleted` it may be another user's. */
  heard(id: string, isDeleted: boolean): void
  /** Nothing that happens from now on is missed, or the connection was lost. */
  changed(): void
}

/**
 * The private channel of a user, joined again for as long as it is open.
 *
 * The client's own rejoin is not relied upon: it ends for good where the server closes the channel,
 * as it does when a token has run out.
 */
export class Listener {
  isJoined = false
  #channel: Channel | undefined
  #leaving: Promise<unknown> = Promise.resolve()
  #timer: ReturnType<typeof setTimeout> | undefined
  #failures = 0
  #isOpen = false

  constructor(
    private readonly client: Client,
    private readonly userId: string,
    private readonly firstPauseMs: number,
    private readonly hearing: Hearing,
  ) {}

  get hasFailed(): boolean {
    return this.#failures > 0
  }

  open(): void {
    if (this.#isOpen) return
    this.#isOpen = true
    void this.#join()
  }

  /** Do not wait any longer where the next attempt is being waited for. */
  hurry(): void {
    if (this.#timer === undefined) return
    this.#failures = 0
    void this.#join()
  }

  close(): void {
    this.#isOpen = false
    this.#leave()
    clearTimeout(this.#timer)
    this.#timer = undefined
    void this.#leaving.then(() => {
      // The client would hold an empty connection for most of a minute, and a Node.js with it.
      const { realtime } = this.client
      if (!this.#isOpen && !realtime.getChannels().length) realtime.disconnect()
    })
  }

  async #join(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    await this.#leaving // the same topic is the same channel until it is removed
    try {
      await this.client.realtime.setAuth() // the token of now
      if (!this.#isOpen || this.#channel) return
      const channel = this.client.channel(`music:${this.userId}`, { config: { private: true } })
      this.#channel = channel
      const table = { schema: 'public', table: 'music_tracks' }
      const mine = { event: '*', ...table, filter: `user_id=eq.${this.userId}` }
      const anyDeleted = { event: 'DELETE', ...table } // told by its id alone: no filter fits it
      const row = ({ eventType, new: now, old }: Change) =>
        this.#hear(now.id ?? old.id, eventType === 'DELETE')
      channel
        .on('broadcast', { event: 'track' }, ({ payload }: Said) => this.#hear(payload.id, false))
        .on('postgres_changes', mine, row)
        .on('postgres_changes', anyDeleted, row)
        .on('system', {}, () => this.hearing.changed()) // rows are told from now on
        .subscribe((status) => {
          if (this.#channel !== channel) return
          this.isJoined = status === 'SUBSCRIBED'
          if (this.isJoined) this.#failures = 0
          else this.#rejoin()
          this.hearing.changed()
        })
    } catch {
      this.#rejoin() // no WebSocket, or an app that has a channel of this name
      this.hearing.changed()
    }
  }

  #hear(id: string | undefined, isDeleted: boolean): void {
    if (id) this.hearing.heard(id, isDeleted) // rows of others come without
  }

  #leave(): void {
    const channel = this.#channel
    this.#channel = undefined
    this.isJoined = false
    if (channel) this.#leaving = this.client.removeChannel(channel).catch(() => undefined)
  }

  #rejoin(): void {
    this.#leave()
    if (!this.#isOpen) return
    const longest = Math.min(this.firstPauseMs * 2 ** this.#failures++, 30 * this.firstPauseMs)
    this.#timer = setTimeout(() => void this.#join(), longest * (0.5 + Math.random() / 2))
  }
}
