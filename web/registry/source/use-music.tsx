'use client'
/** The music of the app's Supabase client, and the hooks for everything below `AppMusic`. */

import { createMusic, type SupabaseLike } from 'music-service'
import { MusicProvider } from 'music-service/react'
import type { ReactNode } from 'react'

export * from 'music-service/react'

/** Put it around the app. `client` is the one that the app has, made once, outside of components. */
export function AppMusic({ client, children }: { client: SupabaseLike; children: ReactNode }) {
  return <MusicProvider music={createMusic(client)}>{children}</MusicProvider>
}
