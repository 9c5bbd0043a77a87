import type { Client, SupabaseLike } from './client.js'
import { MusicOfClient, type Options } from './music.js'
import type { Music } from './types.js'

export type { SupabaseLike } from './client.js'
export { MusicError } from './error.js'
export { explain, type Language } from './explain.js'
export type { Options } from './music.js'
export { progressOf } from './progress.js'
export { addressOf, sourceOf } from './source.js'
export type * from './types.js'
export { timedLyrics } from './words.js'

const all = new WeakMap<SupabaseLike, Music>()

/**
 * The music of a Supabase client: one for each client, however often it is asked for.
 *
 * Nothing is opened and nobody is asked before something is.
 */
export function createMusic(client: SupabaseLike, options: Options = {}): Music {
  let music = all.get(client)
  if (!music) all.set(client, (music = new MusicOfClient(client as Client, options.bucket)))
  return music
}
