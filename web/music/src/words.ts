import { MusicError } from './error.js'
import { isUnreachable } from './requests.js'
import type { Client } from './client.js'
import type { Music, TimedSection } from './types.js'

/**
 * Words in time of a completed song; none for an instrumental, or for a song whose singing Mureka
 * did not tell.
 */
export async function timedLyrics(music: Music, id: string): Promise<TimedSection[]> {
  const words = (music.client as Client).from('music_timed_lyrics').select('sections')
  const answer = await words.eq('track_id', id)
  const { data, error } = answer
  if (!error) return (data as { sections: TimedSection[] }[])[0]?.sections ?? []
  const code = isUnreachable(answer) ? 'unreachable' : error.code || 'internal'
  throw new MusicError(code, error.message)
}
