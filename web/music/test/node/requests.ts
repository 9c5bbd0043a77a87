/**
 * Counts what following asks of the project, for `scripts/bench web`: this package, and the polling
 * every two seconds that it replaces, one after the other, for a track and for a quiet minute.
 */

import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'

import { createMusic } from '../../src/index.js'
import { complete, signUp, steer, take, type User } from './app.js'

const TRACK_SECONDS = 45
const QUIET_SECONDS = 60
const README = new URL('../../README.md', import.meta.url)

const sleep = (seconds: number) => new Promise((done) => setTimeout(done, seconds * 1000))

/** Follows a track to its end; resolves with a function that ends it before. */
type Follow = (user: User, id: string) => () => void

const ours: Follow = ({ supabase }, id) => createMusic(supabase).watch(id, () => undefined)

const polling: Follow = ({ supabase }, id) => {
  const timer = setInterval(async () => {
    const { data } = await supabase.from('music_tracks').select().eq('id', id).single()
    if (['completed', 'error'].includes(data?.status)) clearInterval(timer)
  }, 2_000)
  return () => clearInterval(timer)
}

async function counted(work: () => Promise<unknown>): Promise<number> {
  const { count } = await steer<{ count: number }>('count', { path: '/rest/v1/music_tracks' })
  await work()
  return (await steer<{ met: number }>('counted', { count })).met
}

async function figures(follow: Follow): Promise<{ track: number; quiet: number }> {
  const user = await signUp()
  const ask = async () => {
    const id = randomUUID()
    const { error } = await user.supabase.from('music_tracks').insert({ id, prompt: 'rain' })
    if (error) throw error
    return id
  }
  const made = await ask()
  const track = await counted(async () => {
    const stop = follow(user, made)
    await sleep(2)
    const claim = await take(made)
    for (const stage of ['queued', 'running', 'streaming']) {
      await sleep((TRACK_SECONDS - 2) / 4)
      await steer('stage', { claim, stage })
    }
    await sleep((TRACK_SECONDS - 2) / 4)
    await complete(claim)
    await sleep(4)
    stop()
  })
  const waiting = await ask()
  const stop = follow(user, waiting)
  await sleep(5)
  const quiet = await counted(() => sleep(QUIET_SECONDS))
  stop()
  createMusic(user.supabase).dispose()
  return { track, quiet }
}

const before = await figures(polling)
const now = await figures(ours)
const table = `\
| requests | every two seconds | this package |
|---|---|---|
| each track, made in ${TRACK_SECONDS} s | ${before.track} | ${now.track} |
| each quiet minute | ${before.quiet} | ${now.quiet} |
`
console.log(table)
const page = readFileSync(README, 'utf8')
const [start, end] = ['<!-- requests -->\n', '<!-- end of requests -->']
const [head, rest = ''] = page.split(start)
writeFileSync(README, head + start + table + end + rest.split(end)[1])
