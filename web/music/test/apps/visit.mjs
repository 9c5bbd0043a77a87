/** Asks for music, loads the page again while it is being made, and waits until it plays. */

import { report, visit } from './person.mjs'

const [address] = process.argv.slice(2)

await visit(address, async (page, trouble) => {
  const ask = page.getByRole('button', { name: 'Make music' })
  await ask.waitFor()
  const prompt = page.getByRole('textbox')
  if (await prompt.count()) await prompt.fill('a waltz')
  await ask.click()
  const player = page.getByRole('region', { name: 'a waltz' })
  await player.first().waitFor()
  await page.reload()
  await player.getByText('Waiting').first().waitFor()
  const served = await (await page.request.get(address)).text()
  report('reloaded', { isRendered: served.includes('Waiting') })

  await player.getByText('Ready').waitFor()
  const audio = await player.locator('audio[src]').getAttribute('src')
  report('completed', { audio, trouble })
})
