import { listen, type Hint, type Listening } from './channel.js'
import type { Answer, Client, Query } from './client.js'
import { MusicError } from './error.js'
import { newId } from './id.js'
import { PACE } from './pace.js'
import { isAway, isOffline, onReturn } from './page.js'
import { isRefused, isUnreachable, missing, unreachable } from './requests.js'
import { hasEnded, isFollowed, isNewer, tell, type Entry } from './rows.js'
import type {
  Connection,
  FollowOptions,
  Music,
  NewTrack,
  Stop,
  Track,
  TrackChange,
  TrackEvent,
  WaitOptions,
} from './types.js'

export interface Options {
  /** Where the audio is, if the operators have named another one. */
  bucket?: string
}

const MOST_IDS = 100 // in one address
const MOST_TRIES = 3

/** One that is none would have the whole request refused. */
const isId = (id: string) => /^[\da-f-]{36}$/.test(id)

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const aborted = () => Object.assign(new Error('Closed.'), { name: 'AbortError' })

/** `Music` says what each method is for. */
export class MusicOfClient implements Music {
  #entries = new Map<string, Entry>()
  #marked = new Set<string>()
  #creating = new Set<string>()
  #onTrack = new Set<(event: TrackEvent) => void>()
  #onConnection = new Set<(connection: Connection) => void>()
  /** Ends everything that waits for a track. */
  #ends = new Set<(error: unknown) => void>()

  #userId: string | null | undefined // undefined: not known yet
  #forgetUser: Stop | undefined
  #listener: Listening | undefined
  #leaving: Promise<unknown> = Promise.resolve()
  #forgetPage: Stop | undefined // also says that it is open
  #isReading = false
  #hasFailed = false
  #isUnreachable = false
  #said: Connection = 'idle'

  #gathering: ReturnType<typeof setTimeout> | undefined
  #closing: ReturnType<typeof setTimeout> | undefined
  #safety: ReturnType<typeof setTimeout> | undefined
  #safetyMs = 0

  constructor(
    readonly client: Client,
    readonly bucket = 'music-tracks',
    private readonly pace = PACE,
  ) {}

  async create(track: NewTrack): Promise<Track> {
    const id = track.id ?? newId()
    const insert = () =>
      this.client
        .from('music_tracks')
        .upsert({ ...track, id }, { onConflict: 'id', ignoreDuplicates: true })
        .select()
    return this.#make(id, insert)
  }

  async anotherTake(id: string): Promise<Track> {
    const take = { p_track_id: id, p_id: newId() }
    return this.#make(take.p_id, () => this.client.rpc('music_another_take', take))
  }

  retry(id: string): Promise<Track> {
    return this.#turn(id, ['error'], 'pending', (row) => !hasEnded(row))
  }

  cancel(id: string): Promise<Track> {
    return this.#turn(id, ['pending', 'generating'], 'error', hasEnded)
  }

  unfinished(): Promise<Track[]> {
    return this.#ask(() =>
      this.#tracks().not('status', 'in', '(completed,error)').order('created_at'),
    )
  }

  watch(id: string, onChange: (track: TrackChange) => void): Stop {
    const end = this.#watch(id, onChange, (error) => error instanceof MusicError && onChange(null))
    return () => end()
  }

  async *follow(id: string, { signal }: FollowOptions = {}): AsyncGenerator<Track, void> {
    const rows: Track[] = []
    let ended: { error?: unknown } | undefined
    let wake = () => {}
    const onRow = (row: Track) => (rows.push(row), wake())
    const onEnd = (error?: unknown) => ((ended = { error }), wake())
    const stop = this.#watch(id, onRow, onEnd, signal)
    try {
      for (;;) {
        const row = signal?.aborted ? undefined : rows.shift()
        if (row) yield row
        else if (!ended) await new Promise<void>((resolve) => (wake = resolve))
        else if (ended.error) throw ended.error
        else return
      }
    } finally {
      stop()
    }
  }

  wait(id: string, { signal, timeoutMs }: WaitOptions = {}): Promise<Track> {
    return new Promise((resolve, reject) => {
      let last: Track
      const late = () => end(new MusicError('timeout', 'This music is late.', last))
      const timer = timeoutMs === undefined ? timeoutMs : setTimeout(late, timeoutMs)
      const onEnd = (error?: unknown) => {
        clearTimeout(timer)
        if (error) reject(error)
        else resolve(last)
      }
      const end = this.#watch(id, (row) => (last = row), onEnd, signal)
    })
  }

  onTrack(listener: (event: TrackEvent) => void): Stop {
    this.#open()
    return this.#add(this.#onTrack, listener)
  }

  subscribe(id: string, listener: () => void): Stop {
    const entry = this.#entry(id)
    this.#open()
    if (!isFollowed(entry)) this.#mark(id)
    const stop = this.#add(entry.listeners, listener)
    this.#guard()
    return stop
  }

  get(id: string): TrackChange | undefined {
    return this.#entries.get(id.toLowerCase())?.row
  }

  put(row: Track): void {
    const entry = this.#entry(row.id)
    const known = entry.row
    if (known && !isNewer(row, known)) return
    entry.row = row
    tell(entry.listeners)
    const say = (type: 'started' | 'completed' | 'failed' | 'changed') =>
      tell(this.#onTrack, { type, track: row })
    const before: Partial<Track> | false = known || (entry.isNew && {})
    // What was made before it was first heard of is no news.
    if (before) {
      if (row.started_at && row.started_at !== before.started_at) say('started')
      const isOther = row.status !== before.status
      if (row.status === 'error' && isOther) say('failed')
      if (row.status === 'completed' && (isOther || row.completed_at !== before.completed_at))
        say('completed')
    }
    say('changed')
  }

  get connection(): Connection {
    if (!this.#forgetPage) return 'idle'
    if (this.#isUnreachable || isOffline()) return 'offline'
    if (this.#listener?.isJoined) return 'live'
    const isFirst = this.#listener ? !this.#listener.hasFailed : this.#userId === undefined
    return isFirst ? 'connecting' : 'polling'
  }

  onConnection(listener: (connection: Connection) => void): Stop {
    return this.#add(this.#onConnection, listener)
  }

  refresh(): void {
    if (!this.#forgetPage) return
    this.#listener?.hurry()
    this.#markAll()
    void this.#read()
    this.#guard()
  }

  dispose(): void {
    tell(this.#ends, aborted())
    this.#onTrack.clear()
    this.#entries.clear()
    this.#close()
    this.#onConnection.clear()
    this.#forgetUser?.()
    this.#forgetUser = this.#userId = undefined
  }

  // Requests

  #tracks(): Query {
    return this.client.from('music_tracks').select()
  }

  /** The rows that were answered; everything that is asked may be asked again. */
  async #send(make: () => Query, track?: TrackChange, tries = MOST_TRIES): Promise<unknown[]> {
    this.#knowUser()
    const answer = await this.#request(make())
    if (!answer.error) return answer.data as unknown[]
    if (!isUnreachable(answer) || tries === 1) throw this.#errorOf(answer, track)
    await pause(this.pace.rejoin)
    return this.#send(make, track, tries - 1)
  }

  async #ask(make: () => Query, track?: TrackChange): Promise<Track[]> {
    const user = this.#userId
    const rows = (await this.#send(make, track)) as Track[]
    if (user === undefined || user === this.#userId) rows.forEach((row) => this.put(row))
    return rows
  }

  async #request(query: Query): Promise<Answer> {
    const controller = new AbortController()
    const timer = setTimeout(() => controller.abort(), this.pace.request)
    try {
      return await (query.retry?.(false) ?? query).abortSignal(controller.signal)
    } catch (error) {
      return { data: null, error: { message: String(error) }, status: 0 }
    } finally {
      clearTimeout(timer)
    }
  }

  #errorOf(answer: Answer, track?: TrackChange): MusicError {
    const { code, message } = answer.error!
    if (isUnreachable(answer)) return unreachable(track)
    const isStranger = answer.status === 401 || code === '42501' || code === 'MU003'
    if (isStranger && !this.#userId) return missing(true)
    return new MusicError(code || 'internal', message, track)
  }

  async #row(id: string): Promise<Track> {
    const [row] = await this.#ask(() => this.#tracks().eq('id', id))
    if (!row) throw missing(!this.#userId, this.get(id))
    return row
  }

  async #make(id: string, insert: () => Query): Promise<Track> {
    id = id.toLowerCase()
    this.#creating.add(id)
    try {
      const [row] = await this.#ask(insert)
      return row ?? (await this.#row(id))
    } finally {
      this.#creating.delete(id)
      if (isFollowed(this.#entry(id))) this.#mark(id)
    }
  }

  async #turn(
    id: string,
    from: string[],
    status: string,
    isSo: (row: Track) => boolean,
  ): Promise<Track> {
    const update = () =>
      this.client.from('music_tracks').update({ status }).eq('id', id).in('status', from).select()
    const [turned] = await this.#ask(update, this.get(id))
    const row = turned ?? (await this.#row(id))
    if (turned || isSo(row)) return row
    throw new MusicError('MU001', `This music is ${row.status}.`, row)
  }

  // Who follows

  #entry(id: string): Entry {
    id = id.toLowerCase() // as the database writes it
    let entry = this.#entries.get(id)
    if (!entry) {
      entry = { row: undefined, isNew: false, isHidden: false, listeners: new Set(), reads: new Set() }
      this.#entries.set(id, entry)
    }
    return entry
  }

  /** Whether there is more to come that somebody wants to know. */
  #isAwaited = (entry: Entry): boolean =>
    (isFollowed(entry) || (this.#onTrack.size > 0 && !!entry.row)) &&
    !(entry.row ? hasEnded(entry.row) : entry.row === null || entry.isHidden)

  /** Calls `onEnd` once, when the track has ended, is gone, or the answer is called. */
  #watch(
    id: string,
    onRow: (row: Track) => void,
    onEnd: (error?: unknown) => void,
    signal?: AbortSignal,
  ): (error?: unknown) => void {
    const entry = this.#entry(id)
    let told: Track | undefined
    const look = () => {
      const { row } = entry
      if (row && row !== told) onRow((told = row))
    }
    const read = (refusal?: MusicError) => {
      look()
      if (refusal) end(refusal)
      else if (entry.row === null || entry.isHidden) end(missing(entry.isHidden, told))
      else if (entry.row && hasEnded(entry.row)) end()
    }
    const end = (error?: unknown) => {
      if (!this.#ends.delete(end)) return
      entry.listeners.delete(look)
      entry.reads.delete(read)
      signal?.removeEventListener('abort', onAbort)
      this.#leave()
      onEnd(error)
    }
    const onAbort = () => end(signal!.reason ?? aborted())
    this.#ends.add(end)
    if (signal?.aborted) {
      onAbort()
      return end
    }
    signal?.addEventListener('abort', onAbort)
    entry.listeners.add(look)
    entry.reads.add(read)
    this.#open()
    this.#mark(id) // a row that has ended long ago may have been taken up again
    this.#guard()
    queueMicrotask(() => this.#ends.has(end) && look()) // when the caller knows how to stop it
    return end
  }

  /** The same listener may come twice. */
  #add<Said>(all: Set<(said: Said) => void>, listener: (said: Said) => void): Stop {
    const own = (said: Said) => listener(said)
    all.add(own)
    return () => {
      if (all.delete(own)) this.#leave()
    }
  }

  #some(is: (entry: Entry) => boolean): boolean {
    return [...this.#entries.values()].some(is)
  }

  #open(): void {
    clearTimeout(this.#closing)
    if (this.#forgetPage) return
    this.#forgetPage = onReturn(() => (isAway() ? this.#guard() : this.refresh()))
    this.#knowUser()
    this.#listen()
    this.#guard()
  }

  /** Close soon, if nobody follows by then: components come and go. */
  #leave(): void {
    clearTimeout(this.#closing)
    if (!this.#forgetPage || this.#onTrack.size || this.#some(isFollowed)) return this.#guard()
    this.#closing = setTimeout(() => this.#close(), this.pace.linger)
  }

  #close(): void {
    clearTimeout(this.#closing)
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    this.#marked.clear()
    this.#forgetPage?.()
    this.#forgetPage = undefined
    this.#hangUp()
    this.#hasFailed = this.#isUnreachable = false
    this.#guard()
  }

  // The user

  #knowUser(): void {
    if (this.#forgetUser) return
    try {
      const { data } = this.client.auth.onAuthStateChange((_, session) =>
        this.#isUser(session?.user.id ?? null),
      )
      this.#forgetUser = () => data.subscription.unsubscribe()
    } catch {
      this.#forgetUser = () => {} // tokens of another sign-in: the client does not know its user
      this.#isUser(null)
    }
  }

  #isUser(userId: string | null): void {
    const before = this.#userId
    if (before === userId) return
    this.#userId = userId
    this.#hangUp()
    if (before) this.#forget()
    this.#entries.forEach((entry) => (entry.isHidden = !!before && !userId))
    this.#listen()
    if (userId || !before) this.refresh()
    else this.#guard() // who has signed out is refused whatever is asked
  }

  /** Nothing of one user is seen by the next. */
  #forget(): void {
    this.#marked.clear()
    this.#entries.forEach((entry) => (entry.row = undefined))
    tell(this.#ends, missing(true))
    this.#entries.forEach((entry) => tell(entry.listeners))
  }

  #listen(): void {
    if (!this.#forgetPage || !this.#userId || this.#listener) return
    const heard = ({ id, status, updated_at }: Hint, isDeleted: boolean) => {
      if (!id) return
      const entry = this.#entries.get(id)
      // Most is heard twice, and is read by then.
      const isKnown = updated_at && entry?.row && !isNewer({ updated_at }, entry.row)
      if (isKnown && !isDeleted) return
      if (entry ? this.#onTrack.size || isFollowed(entry) : this.#onTrack.size && !isDeleted)
        this.#mark(id)
      // By the time that it is read it may have started.
      if (!entry && status === 'pending') this.#entry(id).isNew = true
    }
    const changed = () => {
      if (this.#listener?.isJoined) this.#markAll()
      this.#guard()
    }
    const { rejoin } = this.pace
    this.#listener = listen(this.client, this.#userId, rejoin, heard, changed, this.#leaving)
  }

  #hangUp(): void {
    if (!this.#listener) return
    const { realtime } = this.client
    const left = this.#listener.close()
    this.#listener = undefined
    // The client would hold an empty connection for most of a minute, and a Node.js with it.
    this.#leaving = left.then(
      () => this.#listener || realtime.getChannels().length || realtime.disconnect(),
    )
  }

  // Reading

  #mark(id: string): void {
    this.#marked.add(id.toLowerCase())
    this.#gathering ??= setTimeout(() => void this.#read(), this.pace.gather)
  }

  #markAll(): void {
    for (const [id, entry] of this.#entries)
      if (isFollowed(entry) || this.#isAwaited(entry)) this.#mark(id)
  }

  /** One request at a time, so that answers come in the order of their questions. */
  async #read(): Promise<void> {
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    if (this.#isReading || this.#userId === undefined || isAway() || !this.#forgetPage) return
    const ids = [...this.#marked].slice(0, MOST_IDS)
    if (!ids.length) return
    const user = this.#userId
    const before = new Map(ids.map((id) => [id, this.get(id)]))
    ids.forEach((id) => this.#marked.delete(id))
    this.#isReading = true
    const answer = await this.#request(this.#tracks().in('id', ids.filter(isId)))
    this.#isReading = false
    if (user === this.#userId && this.connection !== 'idle') this.#take(answer, before)
    if (!this.#hasFailed) this.#marked.forEach((id) => this.#mark(id))
    this.#guard()
  }

  #take(answer: Answer, before: Map<string, TrackChange | undefined>): void {
    this.#hasFailed = answer.error !== null
    this.#isUnreachable = this.#hasFailed && isUnreachable(answer)
    if (answer.error) {
      const refusal = !this.#isUnreachable && isRefused(answer) ? this.#errorOf(answer) : undefined
      for (const id of before.keys()) {
        const entry = this.#entry(id)
        if (refusal) {
          entry.isHidden = !this.#userId
          tell(entry.reads, refusal)
        } else this.#marked.add(id)
      }
      return
    }
    const rows = answer.data as Track[]
    rows.forEach((row) => this.put(row))
    const found = new Set(rows.map(({ id }) => id))
    for (const [id, row] of before) {
      if (!found.has(id)) {
        if (this.#creating.has(id)) continue // not there yet
        if (this.get(id) !== row) this.#mark(id) // came while this was asked
        else this.#gone(id)
      }
      tell(this.#entry(id).reads, undefined)
    }
  }

  #gone(id: string): void {
    const entry = this.#entry(id)
    const before = entry.row
    if (!before && !this.#userId) entry.isHidden = true
    else if (before !== null) {
      entry.row = null
      tell(entry.listeners)
      if (before) tell(this.#onTrack, { type: 'deleted', id })
    }
  }

  /**
   * Look after everything that has changed: events may be lost, so whatever has not ended is read
   * again after a while; and the connection may be another.
   */
  #guard(): void {
    const { connection } = this
    if (connection !== this.#said) tell(this.#onConnection, (this.#said = connection))
    const isDue =
      this.#forgetPage &&
      !isAway() &&
      (this.#marked.size || this.#some(this.#isAwaited))
    const isLive = this.#listener?.isJoined && !this.#hasFailed
    const ms = isDue ? (isLive ? this.pace.whileLive : this.pace.whileNot) : 0
    if (ms === this.#safetyMs) return
    clearTimeout(this.#safety)
    this.#safetyMs = ms
    if (!ms) return
    this.#safety = setTimeout(() => {
      this.#safetyMs = 0
      this.#markAll()
      void this.#read()
      this.#guard()
    }, ms)
  }
}
