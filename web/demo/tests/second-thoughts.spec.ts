import { expect, test } from './reader.js'

test('A piece is called off, made after all at no cost, and made once more', async ({
  page,
  reader,
  machine,
  say,
}) => {
  await machine.hold()
  await reader.enterAsGuest()
  const { paid_calls: before } = await machine.state()
  await reader.begin('Emma')
  const first = reader.track('v0').first()
  await reader.isNow(first, 'generating')
  await expect.poll(async () => (await machine.state()).paid_calls).toBe(before + 1)
  await first.getByRole('button', { name: say('cancel') }).click()
  await reader.isNow(first, 'error')
  await expect(first.locator('[data-phase="failed"]')).toBeVisible()

  await first.getByRole('button', { name: say('retry') }).click()
  await reader.isNow(first, 'generating')
  await machine.lead('done')
  await reader.isNow(first, 'completed')
  expect((await machine.state()).paid_calls).toBe(before + 1)

  await first.getByRole('button', { name: say('anotherTake') }).click()
  await expect(reader.toast('takeStarted')).toBeVisible()
  await expect(reader.track('v0')).toHaveCount(2)
  const second = reader.track('v0').nth(1)
  await reader.isNow(second, 'generating')
  await expect(second).toContainText(say('take', { number: 2 }))
  await machine.lead('done')
  await reader.isNow(second, 'completed')
  await expect(page.getByRole('button', { name: say('play'), exact: true })).toHaveCount(2)
  expect((await machine.state()).paid_calls).toBe(before + 2)
})
