/** The Supabase client as far as it is used here: every version and any `Database` type fits. */

export interface Session {
  user: { id: string }
}

/**
 * What `createMusic` takes. The arguments that depend on a `Database` are `never`, which a client
 * with types accepts as well as one without.
 */
export interface SupabaseLike {
  from(table: never): unknown
  rpc(name: never, args: never): unknown
  channel(topic: string, options: never): unknown
  removeChannel(channel: never): Promise<unknown>
  realtime: {
    setAuth(): Promise<void>
    getChannels(): unknown[]
    disconnect(): unknown
  }
  auth: {
    onAuthStateChange(callback: (event: string, session: Session | null) => void): {
      data: { subscription: { unsubscribe(): void } }
    }
  }
  storage: {
    from(bucket: string): {
      createSignedUrl(
        path: string,
        seconds: number,
      ): Promise<{ data: { signedUrl: string } | null; error: { status?: number | undefined } | null }>
    }
  }
}

/** What PostgREST answers through the client. */
export interface Answer {
  data: unknown
  error: { code?: string; message: string } | null
  status: number
}

/** A request that is being put together. */
export interface Query extends PromiseLike<Answer> {
  select(columns?: string): Query
  upsert(row: object, options: object): Query
  update(row: object): Query
  eq(column: string, value: string): Query
  in(column: string, values: string[]): Query
  not(column: string, operator: string, value: string): Query
  order(column: string): Query
  retry?(enabled: boolean): Query
  abortSignal(signal: AbortSignal): Query
}

export interface Channel {
  on(kind: string, filter: object, callback: (message: never) => void): Channel
  subscribe(callback: (status: string) => void): Channel
}

/** The same client with the types that are known here. */
export interface Client extends Omit<SupabaseLike, 'from' | 'rpc' | 'channel' | 'removeChannel'> {
  from(table: string): Query
  rpc(name: string, args: object): Query
  channel(topic: string, options: object): Channel
  removeChannel(channel: Channel): Promise<unknown>
}
