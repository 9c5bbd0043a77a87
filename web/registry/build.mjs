/**
 * Writes `registry.json` and the files that `npx shadcn add` takes, `registry/*.json`: the
 * components of the package as an app's own source, and the migrations. `npm run registry`.
 */

import { readFileSync, readdirSync, writeFileSync } from 'node:fs'

const WEB = new URL('../', import.meta.url)
const read = (path) => readFileSync(new URL(path, WEB), 'utf8')

const SOURCES = 'music/src/'
const MIGRATIONS = '../supabase/migrations/'
const IN_APP = {
  'ui-badge.tsx': 'track-badge.tsx',
  'ui-player.tsx': 'track-player.tsx',
  'ui-words.tsx': 'track-words.tsx',
  'ui-audio.ts': 'track-audio.ts',
  'ui-phrases.ts': 'track-phrases.ts',
  'ui.css': 'track.css',
}
const PACKAGE = { './index.js': 'music-service', './types.js': 'music-service', './react.js': 'music-service/react' }
const STYLED = ['ui-badge.tsx', 'ui-player.tsx']

/** A file of the package as it is in an app: the package is imported, its neighbours are beside. */
function component(name) {
  const beside = Object.entries(IN_APP).map(([ours, theirs]) => [
    `./${ours.replace(/\.tsx?$/, '.js')}`,
    `./${theirs.replace(/\.tsx?$/, '')}`,
  ])
  let content = read(SOURCES + name)
  for (const [from, to] of [...Object.entries(PACKAGE), ...beside])
    content = content.replaceAll(`from '${from}'`, `from '${to}'`)
  if (STYLED.includes(name)) content = content.replace('\n\nimport', "\n\nimport './track.css'\n\nimport")
  const target = `components/music/${IN_APP[name]}`
  return { path: `web/${SOURCES}${name}`, type: 'registry:file', target, content }
}

/** A file that is written for the registry alone. */
function own(name) {
  const path = `registry/source/${name}`
  const target = `components/music/${name}`
  return { path: `web/${path}`, type: 'registry:file', target, content: read(path) }
}

function migration(name) {
  const target = `~/supabase/migrations/${name}`
  return { path: `supabase/migrations/${name}`, type: 'registry:file', target, content: read(MIGRATIONS + name) }
}

const dependencies = ['music-service', '@supabase/supabase-js']
const BADGE = ['ui-badge.tsx', 'ui-phrases.ts', 'ui.css'].map(component)
const PLAYER = [...BADGE, ...['ui-player.tsx', 'ui-audio.ts', 'ui-words.tsx'].map(component)]

const items = [
  {
    name: 'track-badge',
    description: 'A spinner, a note or an alert for a track of music.',
    dependencies,
    files: BADGE,
  },
  {
    name: 'track-player',
    description: 'A track from waiting to music, with its words in time.',
    dependencies,
    files: PLAYER,
  },
  {
    name: 'track-list',
    description: 'All tracks that are being made.',
    dependencies,
    files: [...PLAYER, own('track-list.tsx')],
  },
  {
    name: 'use-music',
    description: 'The hooks of music-service for the Supabase client of an app.',
    dependencies,
    files: [own('use-music.tsx')],
  },
  {
    name: 'music-service',
    description: 'The database of music-service: its migrations.',
    files: readdirSync(new URL(MIGRATIONS, WEB)).sort().map(migration),
  },
].map((item) => ({ ...item, type: 'registry:item' }))

const SCHEMA = 'https://ui.shadcn.com/schema'
const write = (path, value) =>
  writeFileSync(new URL(path, WEB), `${JSON.stringify(value, null, 2)}\n`)

for (const item of items)
  write(`registry/${item.name}.json`, { $schema: `${SCHEMA}/registry-item.json`, ...item })
write('registry.json', {
  $schema: `${SCHEMA}/registry.json`,
  name: 'music-service',
  homepage: 'https://music-service.example',
  items: items.map(({ files, ...item }) => ({
    ...item,
    files: files.map(({ content, ...file }) => file),
  })),
})
