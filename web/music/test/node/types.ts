/** Compiled, never run: what apps may write, under `tsc --strict`. */

import { createClient, type SupabaseClient } from '@supabase/supabase-js'

import type { Database } from '../../src/database.js'
import type { Database as Generated } from '../../src/generated.js'
import { createMusic, type Music, type NewTrack, type Track } from '../../src/index.js'

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const is = <_ extends true>() => undefined

const untyped: Music = createMusic(createClient('', ''))
createMusic(createClient<Database>('', ''))
createMusic(createClient<Generated>('', ''))
createMusic(createClient<{ public: { Tables: {}; Views: {}; Functions: {} } }>('', ''))
createMusic(createClient('', '', { db: { schema: 'app' } }))
createMusic({} as SupabaseClient)
// @ts-expect-error  anything else is no client
createMusic({ from: () => undefined })

// A track is a row as the real CLI describes it, made narrower.
type Row = Generated['public']['Tables']['music_tracks']['Row']
is<Same<keyof Track, keyof Row>>()
const row: Row = {} as Omit<Track, 'audio_files'> & Pick<Row, 'audio_files'>
is<Same<Database['public']['Tables']['music_tracks']['Row'], Track>>()

// What an app may not set is not there to be set.
type Insert = Generated['public']['Tables']['music_tracks']['Insert']
is<Same<Exclude<keyof NewTrack, keyof Insert>, never>>()
is<Same<Database['public']['Tables']['music_tracks']['Insert'], NewTrack>>()
// @ts-expect-error  the status is the service's
const born: NewTrack = { prompt: 'rain', status: 'completed' }
// @ts-expect-error  a track wants a prompt
const empty: NewTrack = { mood: 'calm' }

async function typed() {
  const supabase = createClient<Database>('', '')
  const { data } = await supabase.from('music_tracks').select().single()
  is<Same<NonNullable<typeof data>['status'], Track['status']>>()
  const { data: song } = await supabase.from('music_timed_lyrics').select('sections').single()
  const start: number | undefined = song?.sections[0]?.start_ms
  await supabase.from('music_tracks').insert({ prompt: 'rain' })
  await supabase.from('music_tracks').update({ status: 'pending' }).eq('id', '')
  const { data: take } = await supabase.rpc('music_another_take', { p_track_id: '' })
  const status: Track['status'] | undefined = take?.[0]?.status
  const { data: journey } = await supabase.rpc('create_journey', { p_book_title: 'Emma' })
  return { start, status, journey }
}

void [untyped, row, born, empty, typed]
