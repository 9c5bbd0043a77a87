import { gzipSync } from 'node:zlib'

import { expect, test } from './reader.js'

const MOST_KILOBYTES = 150

test('The first page is small', async ({ page, reader, baseURL }) => {
  const files = new Map<string, Promise<Buffer>>()
  page.on('response', (response) => {
    const { origin, pathname } = new URL(response.url())
    if (origin === baseURL && !pathname.startsWith('/dev/')) files.set(pathname, response.body())
  })
  await page.goto('/')
  await expect(reader.heading('pitch')).toBeVisible()
  await page.waitForLoadState('networkidle')
  const sizes: Record<string, number> = {}
  for (const [path, body] of files) sizes[path] = gzipSync(await body).length / 1000
  const sum = Object.values(sizes).reduce((one, other) => one + other, 0)
  expect(sum, JSON.stringify(sizes, null, 2)).toBeLessThanOrEqual(MOST_KILOBYTES)
})
