import type { Client } from './client.js'
import { isUnreachable, missing, unreachable } from './requests.js'
import type { Music, Source, Track } from './types.js'

const SIGNED_SECONDS = 3600
const RENEWED_MS = 600_000 // before its end

const signed = new WeakMap<Music, Map<string, Source>>()

/**
 * Where to play a track from now: its file, or the stream while there is none; null for neither.
 *
 * With a private bucket the address ends at `expiresAt`; ask again before, and it is another one.
 */
export async function sourceOf(music: Music, track: Track): Promise<Source | null> {
  // A track that is made once more keeps its old audio until then.
  if (track.file_url) return { url: track.file_url, isStream: false, expiresAt: null }
  if (track.storage_path) return addressOf(music, track.storage_path)
  return track.stream_url ? { url: track.stream_url, isStream: true, expiresAt: null } : null
}

/**
 * Where a file of a private bucket can be had, such as one of `audio_files`, for at least ten minutes.
 */
export async function addressOf(music: Music, path: string): Promise<Source> {
  const all = signed.get(music) ?? new Map<string, Source>()
  signed.set(music, all)
  const known = all.get(path)
  if (known && known.expiresAt! - Date.now() > RENEWED_MS) return known
  const expiresAt = Date.now() + SIGNED_SECONDS * 1000
  const bucket = (music.client as Client).storage.from(music.bucket)
  const { data, error } = await bucket.createSignedUrl(path, SIGNED_SECONDS)
  if (!data) throw isUnreachable(error!) ? unreachable() : missing()
  const source = { url: data.signedUrl, isStream: false, expiresAt }
  all.set(path, source)
  return source
}
