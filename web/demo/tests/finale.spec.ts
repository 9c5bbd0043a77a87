import { expect, goNearTheEnd, test } from './reader.js'

test('A finished journey has its finale, and plays from its opening to the end', async ({
  page,
  reader,
  say,
}) => {
  await reader.enterAsGuest()
  await reader.begin('Walden')
  await reader.write({ quote: 'I went to the woods', memo: 'To live deliberately' })
  await reader.button('finish').click()
  const dialog = page.getByRole('dialog', { name: say('finish') })
  await dialog.getByRole('button', { name: say('finish') }).click()
  await expect(reader.toast('finishedNow')).toBeVisible()
  await expect(page.getByRole('form', { name: say('addLog') })).toHaveCount(0)
  const versions = ['v0', 'v1', 'vFinal']
  for (const version of versions) await reader.isNow(reader.track(version), 'completed')

  await reader.button('playAll').click()
  await reader.button('queue').click()
  const queue = page.getByRole('list', { name: say('queue') }).getByRole('listitem')
  await expect(queue).toHaveCount(versions.length)
  for (const [at] of versions.entries()) {
    await expect(queue.nth(at)).toHaveAttribute('aria-current', 'true')
    await goNearTheEnd(page)
  }
  await expect(page.getByRole('region').getByRole('button', { name: say('play'), exact: true })).toBeVisible()
})
