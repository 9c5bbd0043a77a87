/**
 * Uses an app as a person would: asks for music, loads the page again while it is being made, and
 * waits until it plays. Reports each step on a line of JSON.
 */

import { chromium } from 'playwright'

const [address] = process.argv.slice(2)
const report = (step, seen) => console.log(JSON.stringify({ step, ...seen }))

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ['--no-sandbox'],
})
try {
  const page = await browser.newPage()
  const trouble = []
  page.on('pageerror', (error) => trouble.push(String(error)))
  page.on('console', (said) => said.type() === 'error' && trouble.push(said.text()))
  await page.goto(address)
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
} catch (error) {
  report('lost', { error: String(error) })
} finally {
  await browser.close()
}
