import type { Page } from 'playwright/test'

import { expect, test } from './reader.js'

test.use({ language: 'ko' })

/** Names, which are the same in every language. */
const OF_BOTH = /^(Marginalia|v\d|vFinal)$/

/** What the page says in Latin letters, be it seen or read aloud. */
async function latinOf(page: Page): Promise<string[]> {
  const said = await page.evaluate(() => {
    const texts: string[] = []
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    while (walker.nextNode()) {
      const within = walker.currentNode.parentElement!
      if (!within.closest('script, style, [lang="en"]')) texts.push(walker.currentNode.textContent!)
    }
    for (const name of ['aria-label', 'title', 'placeholder', 'alt']) {
      for (const element of document.querySelectorAll(`[${name}]:not([lang="en"])`)) {
        texts.push(element.getAttribute(name)!)
      }
    }
    return texts.map((text) => text.replace('alt+T', '').trim()) // a key that opens the messages
  })
  return said.filter((text) => /[A-Za-z]{2}/.test(text) && !OF_BOTH.test(text))
}

test('A Korean reader is spoken to in Korean, and in English on wishing so', async ({
  page,
  reader,
}) => {
  await page.goto('/')
  await expect(reader.heading('pitch')).toBeVisible()
  await expect(page.locator('html')).toHaveAttribute('lang', 'ko')
  expect(await latinOf(page), 'signing in').toEqual([])
  await reader.enterAsGuest()
  expect(await latinOf(page), 'the library').toEqual([])
  await reader.begin('엠마')
  await reader.isNow(reader.track('v0'), 'completed')
  expect(await latinOf(page), 'a journey').toEqual([])
  await page.goto('/journey/new')
  await expect(reader.heading('chooseBook')).toBeVisible()
  expect(await latinOf(page), 'a new journey').toEqual([])

  await page.getByRole('button', { name: 'English' }).click()
  await expect(page.getByRole('heading', { name: 'Which book do you open?' })).toBeVisible()
  await page.reload()
  await expect(page.getByRole('heading', { name: 'Which book do you open?' })).toBeVisible()
  await expect(page.locator('html')).toHaveAttribute('lang', 'en')
})
