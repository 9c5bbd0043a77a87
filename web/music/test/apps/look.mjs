/** Has each recipe show a track, puts the app away, and looks again when told to on stdin. */

import { once } from 'node:events'

import { report, visit } from './person.mjs'

const [address, ...names] = process.argv.slice(2)

await visit(address, async (page, trouble) => {
  const all = (status) =>
    Promise.all(names.map((name) => page.getByRole('region', { name }).getByText(status).waitFor()))
  const be = (state) =>
    page.evaluate((detail) => dispatchEvent(new CustomEvent('app-state', { detail })), state)
  await page.getByRole('button', { name: 'Show all' }).click()
  await page.getByRole('button', { name: 'Make music' }).click()
  await all('pending')
  await be('background')
  report('put away')

  await once(process.stdin, 'data')
  await be('active')
  await all('completed')
  report('shown', { trouble })
  process.stdin.destroy()
})
