/** What is delivered: its size, its types, and that it lets a program end. */

import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'

import { build } from 'esbuild'
import { expect, test } from 'vitest'

const run = promisify(execFile)
const HERE = import.meta.dirname

async function gzipped(names: string): Promise<number> {
  const contents = `export { ${names} } from './index.ts'`
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: join(HERE, '../../src') },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  })
  return gzipSync(outputFiles[0]!.contents, { level: 9 }).length
}

test.each([
  ['createMusic, MusicError', 4_096],
  ['createMusic, MusicError, progressOf, sourceOf', 4_600],
  ['createMusic, MusicError, progressOf, sourceOf, explain', 6_200],
])('%s is at most %i bytes, minified and gzipped', async (names, most) => {
  const bytes = await gzipped(names)
  console.log(`${names}: ${bytes} bytes`)
  expect(bytes).toBeLessThanOrEqual(most)
})

test('what apps write is accepted by tsc --strict, and nothing else', async () => {
  const compiler = join(HERE, '../../../node_modules/typescript/bin/tsc')
  await run(process.execPath, [compiler, '--noEmit'], { cwd: join(HERE, '../..') })
})

test.each(['', '1'])('a program ends by itself (DISPOSES=%s)', async (DISPOSES) => {
  const folder = await mkdtemp(join(HERE, '../../node_modules/.leaves-'))
  try {
    const program = join(folder, 'leaves.mjs')
    await build({
      entryPoints: [join(HERE, 'leaves.ts')],
      outfile: program,
      bundle: true,
      packages: 'external',
      platform: 'node',
      format: 'esm',
    })
    const began = performance.now()
    const env = { ...process.env, DISPOSES }
    const { stdout, stderr } = await run(process.execPath, [program], { env })
    console.log(`ended after ${Math.round(performance.now() - began)} ms`)
    expect(stdout).toBe('done\n')
    expect(stderr.replace(/.*Node\.js 20 and below.*\n/, '')).toBe('')
  } finally {
    await rm(folder, { recursive: true })
  }
})
