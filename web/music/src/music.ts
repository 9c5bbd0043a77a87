import { Listener } from './channel.js'
import type { Answer, Client, Query } from './client.js'
import { MusicError } from './error.js'
import { newId } from './id.js'
import { isAway, isOffline, onReturn } from './page.js'
import type {
  Connection,
  FollowOptions,
  Music,
  NewTrack,
  Source,
  Stop,
  TimedSection,
  Track,
  TrackChange,
  TrackEvent,
  WaitOptions,
} from './types.js'

export interface Options {
  /** Where the audio is, if the operators have named another one. */
  bucket?: string
}

/** How long is waited for what, in milliseconds; only tests are in a hurry. */
export const PACE = {
  gather: 50,
  whileLive: 60_000,
  whileNot: 3_000,
  request: 10_000,
  rejoin: 1_000,
  linger: 500,
}

const MOST_IDS = 100 // in one address
const MOST_TRIES = 3
const SIGNED_SECONDS = 3600
const RENEWED_MS = 600_000 // before its end

/** What is known of a track, and who wants to know more. */
interface Entry {
  row: TrackChange | undefined
  /** There was nothing to be seen, and nobody is signed in. */
  isHidden: boolean
  /** Told of another row. */
  listeners: Set<() => void>
  /** Told when the track was read, and why it could not be. */
  reads: Set<(refusal?: MusicError) => void>
}

const hasEnded = ({ status }: Track) => status === 'completed' || status === 'error'

const isFollowed = ({ listeners, reads }: Entry) => listeners.size + reads.size > 0

const isAwaited = (entry: Entry) =>
  isFollowed(entry) && (entry.row ? !hasEnded(entry.row) : entry.row === null ? false : !entry.isHidden)

/** PostgREST's times have microseconds, which `Date` has not; their text tells the rest. */
function isNewer({ updated_at: a }: Track, { updated_at: b }: Track): boolean {
  const difference = Date.parse(a) - Date.parse(b)
  return difference ? difference > 0 : a > b
}

const isUnreachable = ({ status }: Answer) => !status || status === 429 || status >= 500

/** Whether asking again is of no use; a token that has run out is renewed. */
const isRefused = ({ status, error }: Answer) => status !== 408 && !/^PGRST30/.test(error!.code ?? '')

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

function missing(isStranger: boolean, last?: TrackChange): MusicError {
  if (isStranger) return new MusicError('not_signed_in', 'Sign in first.')
  return last === undefined
    ? new MusicError('not_found', 'There is no such track.')
    : new MusicError('deleted', 'This track is gone.', last ?? undefined)
}

/** What one listener throws is thrown where nobody waits, and disturbs no other. */
function tell<Said extends unknown[]>(all: Iterable<(...said: Said) => void>, ...said: NoInfer<Said>): void {
  for (const listener of [...all]) {
    try {
      listener(...said)
    } catch (error) {
      setTimeout(() => {
        throw error
      })
    }
  }
}

/** `Music` says what each method is for. */
export class MusicOfClient implements Music {
  #entries = new Map<string, Entry>()
  #marked = new Set<string>()
  #creating = new Set<string>()
  #signed = new Map<string, Source>()
  #onTrack = new Set<(event: TrackEvent) => void>()
  #onConnection = new Set<(connection: Connection) => void>()
  /** Ends everything that waits for a track. */
  #ends = new Set<(error: Error) => void>()

  #userId: string | null | undefined // undefined: not known yet
  #forgetUser: Stop | undefined
  #listener: Listener | undefined
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
    private readonly client: Client,
    private readonly bucket = 'music-tracks',
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

  async timedLyrics(id: string): Promise<TimedSection[]> {
    const words = () => this.client.from('music_timed_lyrics').select('sections').eq('track_id', id)
    const [row] = (await this.#send(words)) as { sections: TimedSection[] }[]
    return row?.sections ?? []
  }

  async addressOf(path: string): Promise<Source> {
    const known = this.#signed.get(path)
    if (known && known.expiresAt! - Date.now() > RENEWED_MS) return known
    const expiresAt = Date.now() + SIGNED_SECONDS * 1000
    const { data } = await this.client.storage
      .from(this.bucket)
      .createSignedUrl(path, SIGNED_SECONDS)
    if (!data) throw new MusicError('not_found', 'This audio cannot be had.')
    const source = { url: data.signedUrl, isStream: false, expiresAt }
    this.#signed.set(path, source)
    return source
  }

  watch(id: string, onChange: (track: TrackChange) => void): Stop {
    return this.#watch(id, onChange, (error) => {
      if (error instanceof MusicError) onChange(null)
    })
  }

  async *follow(id: string, { signal }: FollowOptions = {}): AsyncGenerator<Track, void> {
    signal?.throwIfAborted()
    const rows: Track[] = []
    let end: { error: unknown } | undefined
    let wake = () => {}
    const onEnd = (error?: unknown) => {
      end ??= { error }
      wake()
    }
    const onAbort = () => onEnd(signal!.reason)
    const stop = this.#watch(id, (row) => (rows.push(row), wake()), onEnd)
    signal?.addEventListener('abort', onAbort)
    try {
      for (;;) {
        signal?.throwIfAborted()
        const row = rows.shift()
        if (row) yield row
        else if (end?.error) throw end.error
        else if (end) return
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    } finally {
      stop()
      signal?.removeEventListener('abort', onAbort)
    }
  }

  async wait(id: string, { signal, timeoutMs }: WaitOptions = {}): Promise<Track> {
    signal?.throwIfAborted()
    let last: Track | undefined
    let timer: ReturnType<typeof setTimeout> | undefined
    let onAbort = () => {}
    let stop = () => {}
    try {
      await new Promise<void>((resolve, reject) => {
        const onEnd = (error?: unknown) => (error ? reject(error) : resolve())
        stop = this.#watch(id, (row) => (last = row), onEnd)
        onAbort = () => reject(signal!.reason)
        signal?.addEventListener('abort', onAbort)
        const late = () => reject(new MusicError('timeout', 'It takes longer than that.', last))
        if (timeoutMs !== undefined) timer = setTimeout(late, timeoutMs)
      })
      return last!
    } finally {
      stop()
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  onTrack(listener: (event: TrackEvent) => void): Stop {
    const own = (event: TrackEvent) => listener(event) // the same one may come twice
    this.#onTrack.add(own)
    this.#open()
    return () => {
      this.#onTrack.delete(own)
      this.#leave()
    }
  }

  subscribe(id: string, listener: () => void): Stop {
    const entry = this.#entry(id)
    const own = () => listener()
    const isFirst = !isFollowed(entry)
    entry.listeners.add(own)
    this.#open()
    if (isFirst) this.#mark(id)
    this.#guard()
    return () => {
      entry.listeners.delete(own)
      this.#leave()
    }
  }

  get(id: string): TrackChange | undefined {
    return this.#entries.get(id)?.row
  }

  put(row: Track): void {
    const entry = this.#entry(row.id)
    const before = entry.row
    if (before && !isNewer(row, before)) return
    entry.row = row
    tell(entry.listeners)
    const say = (type: 'started' | 'completed' | 'failed' | 'changed') =>
      tell(this.#onTrack, { type, track: row })
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
    const own = (connection: Connection) => listener(connection)
    this.#onConnection.add(own)
    return () => this.#onConnection.delete(own)
  }

  refresh(): void {
    if (!this.#forgetPage) return
    this.#listener?.hurry()
    this.#markAll()
    void this.#read()
    this.#guard()
    this.#sayConnection()
  }

  dispose(): void {
    tell(this.#ends, new DOMException('The music was disposed of.', 'AbortError'))
    this.#onTrack.clear()
    this.#entries.clear()
    this.#signed.clear()
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
  async #send(make: () => Query, track?: TrackChange): Promise<unknown[]> {
    this.#knowUser()
    for (let tries = 1; ; tries++) {
      const answer = await this.#request(make())
      if (!answer.error) return answer.data as unknown[]
      const isAgain = isUnreachable(answer)
      if (isAgain && tries < MOST_TRIES) {
        await pause(this.pace.rejoin * tries)
        continue
      }
      throw this.#errorOf(answer, track)
    }
  }

  async #ask(make: () => Query, track?: TrackChange): Promise<Track[]> {
    const user = this.#userId
    const rows = (await this.#send(make, track)) as Track[]
    if (user === undefined || user === this.#userId) rows.forEach((row) => this.put(row))
    return rows
  }

  async #request(query: Query): Promise<Answer> {
    const once = query.retry?.(false) ?? query
    return once.abortSignal(AbortSignal.timeout(this.pace.request))
  }

  #errorOf(answer: Answer, track?: TrackChange): MusicError {
    const { code, message } = answer.error!
    const of = (code: string, message: string) => new MusicError(code, message, track ?? undefined)
    if (isUnreachable(answer)) return of('unreachable', 'Not reachable now. Try again soon.')
    const isStranger = answer.status === 401 || code === '42501' || code === 'MU003'
    if (isStranger && !this.#userId) return of('not_signed_in', 'Sign in first.')
    return of(code || 'internal', message)
  }

  async #row(id: string): Promise<Track> {
    const [row] = await this.#ask(() => this.#tracks().eq('id', id))
    if (!row) throw missing(!this.#userId, this.get(id))
    return row
  }

  async #make(id: string, insert: () => Query): Promise<Track> {
    this.#creating.add(id)
    try {
      const [row] = await this.#ask(insert)
      return row ?? (await this.#row(id))
    } finally {
      this.#creating.delete(id)
      const entry = this.#entries.get(id)
      if (entry && isFollowed(entry)) this.#mark(id)
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
    const why = `A track cannot go from "${row.status}" to "${status}".`
    throw new MusicError('MU001', why, row)
  }

  // Who follows

  #entry(id: string): Entry {
    let entry = this.#entries.get(id)
    if (!entry) {
      entry = { row: undefined, isHidden: false, listeners: new Set(), reads: new Set() }
      this.#entries.set(id, entry)
    }
    return entry
  }

  #watch(id: string, onChange: (row: Track) => void, onEnd: (error?: Error) => void): Stop {
    const entry = this.#entry(id)
    let told: Track | undefined
    const look = () => {
      const { row } = entry
      if (!row || row === told) return
      told = row
      onChange(row)
    }
    const read = (refusal?: MusicError) => {
      look()
      if (!entry.reads.has(read)) return // stopped just now
      if (refusal) return end(refusal)
      if (entry.row === null || entry.isHidden) end(missing(entry.isHidden, told))
      else if (entry.row && hasEnded(entry.row)) end()
    }
    const stop = () => {
      entry.listeners.delete(look)
      entry.reads.delete(read)
      this.#ends.delete(end)
      this.#leave()
    }
    const end = (error?: Error) => {
      stop()
      onEnd(error)
    }
    entry.listeners.add(look)
    entry.reads.add(read)
    this.#ends.add(end)
    this.#open()
    this.#mark(id) // a row that has ended long ago may have been taken up again
    this.#guard()
    look()
    return stop
  }

  #isWanted(): boolean {
    return this.#onTrack.size > 0 || [...this.#entries.values()].some(isFollowed)
  }

  #open(): void {
    clearTimeout(this.#closing)
    if (this.#forgetPage) return
    this.#forgetPage = onReturn(() => (isAway() ? this.#guard() : this.refresh()))
    this.#knowUser()
    this.#listen()
    this.#sayConnection()
  }

  /** Close soon, if nobody follows by then: components come and go. */
  #leave(): void {
    clearTimeout(this.#closing)
    if (!this.#forgetPage || this.#isWanted()) return this.#guard()
    this.#closing = setTimeout(() => this.#close(), this.pace.linger)
  }

  #close(): void {
    clearTimeout(this.#closing)
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    this.#marked.clear()
    this.#forgetPage?.()
    this.#forgetPage = undefined
    this.#listener?.close()
    this.#listener = undefined
    this.#hasFailed = this.#isUnreachable = false
    this.#guard()
    this.#sayConnection()
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
    this.#listener?.close()
    this.#listener = undefined
    if (before) this.#forget()
    this.#entries.forEach((entry) => (entry.isHidden = false))
    this.#listen()
    this.refresh()
  }

  /** Nothing of one user is seen by the next. */
  #forget(): void {
    this.#marked.clear()
    this.#signed.clear()
    tell(this.#ends, new MusicError('not_signed_in', 'The user has signed out.'))
    for (const [id, entry] of this.#entries) {
      entry.row = undefined
      if (!isFollowed(entry)) this.#entries.delete(id)
    }
    for (const entry of this.#entries.values()) tell(entry.listeners)
  }

  #listen(): void {
    if (!this.#forgetPage || !this.#userId || this.#listener) return
    this.#listener = new Listener(this.client, this.#userId, this.pace.rejoin, {
      heard: (id, isDeleted) => {
        const entry = this.#entries.get(id)
        const isKnown = entry !== undefined || !isDeleted
        if ((entry && isFollowed(entry)) || (isKnown && this.#onTrack.size)) this.#mark(id)
      },
      changed: () => {
        if (this.#listener?.isJoined) this.#markAll()
        this.#guard()
        this.#sayConnection()
      },
    })
    this.#listener.open()
  }

  // Reading

  #mark(id: string): void {
    this.#marked.add(id)
    this.#gathering ??= setTimeout(() => void this.#read(), this.pace.gather)
  }

  #markAll(): void {
    for (const [id, entry] of this.#entries) if (isFollowed(entry)) this.#mark(id)
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
    const answer = await this.#request(this.#tracks().in('id', ids))
    this.#isReading = false
    if (user === this.#userId && this.connection !== 'idle') this.#take(answer, before)
    if (this.#marked.size && !this.#hasFailed)
      this.#gathering ??= setTimeout(() => void this.#read(), this.pace.gather)
    this.#guard()
    this.#sayConnection()
  }

  #take(answer: Answer, before: Map<string, TrackChange | undefined>): void {
    this.#hasFailed = answer.error !== null
    this.#isUnreachable = this.#hasFailed && isUnreachable(answer)
    if (answer.error) {
      const refusal = !this.#isUnreachable && isRefused(answer) ? this.#errorOf(answer) : undefined
      for (const id of before.keys()) {
        const entry = this.#entry(id)
        if (!refusal) this.#marked.add(id)
        else entry.isHidden = !this.#userId
        if (refusal) tell(entry.reads, refusal)
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

  /** Events may be lost: whatever has not ended is read again after a while. */
  #guard(): void {
    const isDue =
      this.#forgetPage &&
      !isAway() &&
      (this.#marked.size > 0 || [...this.#entries.values()].some(isAwaited))
    const isLive = this.#listener?.isJoined && !this.#hasFailed
    const ms = isDue ? (isLive ? this.pace.whileLive : this.pace.whileNot) : 0
    if (ms === this.#safetyMs) return
    clearTimeout(this.#safety)
    this.#safetyMs = ms
    if (!ms) return
    this.#safety = setTimeout(() => {
      this.#safetyMs = 0
      for (const [id, entry] of this.#entries) if (isAwaited(entry)) this.#marked.add(id)
      void this.#read()
      this.#guard()
    }, ms)
  }

  #sayConnection(): void {
    const { connection } = this
    if (connection === this.#said) return
    this.#said = connection
    tell(this.#onConnection, connection)
  }
}
