/** The project behind the page, and the one client of it. */

import { createClient, type SupabaseClient } from '@supabase/supabase-js'
import type { Database } from 'music-service/database'

import { recordingFetch, recordRealtime } from './recording.js'

export interface Project {
  url: string
  key: string
  /** Whether `music-service dev` serves the page: it has a worker to kill, and a page to operate. */
  dev: boolean
}

export interface Setup {
  project: Project
  supabase: SupabaseClient<Database>
}

/** A hosted project by two variables at build time, else whatever serves this page. */
export async function findProject(): Promise<Project> {
  const { VITE_SUPABASE_URL: url, VITE_SUPABASE_PUBLISHABLE_KEY: key } = import.meta.env
  if (url && key) return { url, key, dev: false }
  const answer = await fetch('/dev/config.json')
  if (!answer.ok) throw new Error('Set VITE_SUPABASE_URL and VITE_SUPABASE_PUBLISHABLE_KEY.')
  return (await answer.json()) as Project
}

export function setUp(project: Project): Setup {
  const supabase = createClient<Database>(project.url, project.key, {
    global: { fetch: recordingFetch },
    realtime: { logger: recordRealtime },
  })
  return { project, supabase }
}
