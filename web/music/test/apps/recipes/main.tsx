/** One track shown by each recipe, by its own libraries; `expo` on stand-ins for the native side. */

import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { MusicProvider } from 'music-service/react'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { createApp, defineComponent, h } from 'vue'

import { music, supabase } from './expo/music'
import { Screen } from './expo/screen'
import { trackStore } from './svelte/track-store'
import { useTrackSWR } from './swr/use-track-swr'
import { useCreateTrackMutation, useTrackQuery } from './tanstack-query/use-track-query'
import { MUSIC, useTrack } from './vue/use-track'

function place(name: string): HTMLElement {
  const section = document.body.appendChild(document.createElement('section'))
  section.setAttribute('aria-label', name)
  return section.appendChild(document.createElement('p'))
}

function showAll(id: string) {
  createRoot(place('swr')).render(
    <MusicProvider music={music}>
      <WithSWR id={id} />
    </MusicProvider>,
  )
  const vue = defineComponent(() => {
    const track = useTrack(id)
    return () => h('b', track.value?.status)
  })
  createApp(vue).provide(MUSIC, music).mount(place('vue'))
  const svelte = place('svelte')
  trackStore(music, id).subscribe((track) => (svelte.textContent = track?.status ?? ''))
}

function WithSWR({ id }: { id: string }) {
  return <>{useTrackSWR(id).data?.status}</>
}

function WithQuery() {
  const { mutate, data } = useCreateTrackMutation()
  const ask = () => mutate({ prompt: 'a waltz' }, { onSuccess: ({ id }) => showAll(id) })
  return (
    <>
      <button onClick={ask}>Show all</button>
      {data && <Queried id={data.id} />}
    </>
  )
}

function Queried({ id }: { id: string }) {
  return <>{useTrackQuery(id).data?.status}</>
}

await supabase.auth.signInAnonymously()
createRoot(place('tanstack-query')).render(
  <StrictMode>
    <QueryClientProvider client={new QueryClient()}>
      <MusicProvider music={music}>
        <WithQuery />
      </MusicProvider>
    </QueryClientProvider>
  </StrictMode>,
)
createRoot(place('expo')).render(<Screen />)
