/** Each page and state of it, looked at by axe, in the light and in the dark. */

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import type { AxeResults } from 'axe-core'
import type { Page } from 'playwright/test'

import { expect, test } from './reader.js'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What stands in the way of people who see, hear or point differently. */
async function obstaclesOf(page: Page): Promise<string[]> {
  await page.evaluate(AXE)
  const { violations } = await page.evaluate(() =>
    (window as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
  )
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`))
}

for (const colorScheme of ['light', 'dark'] as const) {
  test.describe(colorScheme, () => {
    test.use({ colorScheme })

    test('No page keeps anybody out', async ({ page, reader, machine, say }) => {
      const found: Record<string, string[]> = {}
      const look = async (name: string) => {
        const obstacles = await obstaclesOf(page)
        if (obstacles.length) found[name] = obstacles
      }
      await page.goto('/')
      await expect(reader.heading('pitch')).toBeVisible()
      await look('signing in')
      await reader.enterAsGuest()
      await look('an empty library')
      await page.goto('/journey/new')
      await expect(reader.heading('chooseBook')).toBeVisible()
      await look('a new journey')
      await page.goto('/nowhere')
      await expect(reader.heading('notFound')).toBeVisible()
      await look('no page')

      await page.goto('/')
      await machine.fail(1)
      await reader.begin()
      await reader.isNow(reader.track('v0'), 'error')
      await look('a piece that failed')
      await machine.hold()
      await reader.write({ memo: 'A rainy day', words: 'ownWords', lyrics: 'Rain, rain\nGo away' })
      await reader.isNow(reader.track('v1'), 'generating')
      await look('a piece that is made')
      await machine.lead('done')
      await reader.isNow(reader.track('v1'), 'completed')
      await look('a piece that is ready')
      await reader.track('v1').getByRole('button', { name: say('play'), exact: true }).click()
      await reader.button('lyrics').click()
      await expect(page.getByRole('list', { name: say('lyrics') })).toBeVisible()
      await look('the player and its words')
      await reader.button('queue').click()
      await look('the queue')
      await reader.button('closePlayer').click()
      await reader.button('finish').click()
      await look('finishing')
      await reader.button('cancelDialog').click()
      await reader.openDrawer()
      await expect(reader.button('killWorker')).toBeVisible()
      await look('the drawer')
      await page.goto('/')
      await expect(reader.heading('journeys')).toBeVisible()
      await look('a library')
      await page.goto('/operate')
      await expect(reader.heading('operate')).toBeVisible()
      await look('operating')
      expect(found).toEqual({})
    })
  })
}
