/** A whole app: it asks for music, shows all that is being made, and survives a reload. */

import { createClient } from '@supabase/supabase-js'
import { createMusic } from 'music-service'
import { MusicProvider, useMusicGeneration, useTracks } from 'music-service/react'
import { TrackPlayer } from 'music-service/ui'
import 'music-service/ui.css'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'

const { VITE_SUPABASE_URL, VITE_SUPABASE_PUBLISHABLE_KEY } = import.meta.env
const supabase = createClient(VITE_SUPABASE_URL, VITE_SUPABASE_PUBLISHABLE_KEY)
const music = createMusic(supabase)

function App() {
  const { triggerGeneration, isGenerating, error } = useMusicGeneration()
  const tracks = useTracks()
  return (
    <main>
      <button disabled={isGenerating} onClick={() => triggerGeneration({ prompt: 'a waltz' })}>
        Make music
      </button>
      {error && <p role="alert">{error}</p>}
      {tracks.map(({ id }) => (
        <TrackPlayer key={id} id={id} />
      ))}
    </main>
  )
}

const { data } = await supabase.auth.getSession()
if (!data.session) await supabase.auth.signInAnonymously()
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <MusicProvider music={music}>
      <App />
    </MusicProvider>
  </StrictMode>,
)
