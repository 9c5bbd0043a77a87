/** A program that waits for a track, disposes, and has nothing else to do. */

import { createClient } from '@supabase/supabase-js'
import ws from 'ws'

import { createMusic } from '../../src/index.js'

const { SUPABASE_URL: url = '', SUPABASE_PUBLISHABLE_KEY: key = '', DISPOSES } = process.env
const supabase = createClient(url, key, { realtime: { transport: ws as never } })
await supabase.auth.signInAnonymously()
const music = createMusic(supabase)
const { id } = await music.create({ prompt: 'rain' })
await new Promise<void>((resolve) => {
  const stop = music.watch(id, () => music.connection === 'live' && (stop(), resolve()))
  music.onConnection(() => void music.cancel(id))
})
if (DISPOSES) music.dispose()
console.log('done')
