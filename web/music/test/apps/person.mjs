/** A person in front of a page, who reports each step on a line of JSON. */

import { chromium } from 'playwright'

export const report = (step, seen) => console.log(JSON.stringify({ step, ...seen }))

/** Open the page and act on it; `trouble` is all that it logged and threw. */
export async function visit(address, act) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ['--no-sandbox'],
  })
  const trouble = []
  try {
    const page = await browser.newPage()
    page.setDefaultTimeout(120_000) // a machine may be slow
    page.on('pageerror', (error) => trouble.push(String(error)))
    page.on('console', (said) => said.type() === 'error' && trouble.push(said.text()))
    await page.goto(address)
    await act(page, trouble)
  } catch (error) {
    report('lost', { error: String(error), trouble })
  } finally {
    await browser.close()
  }
}
