/** Run by tests/integration/test_demo_app.py, which serves the page and says where. */

import { defineConfig } from 'playwright/test'

import { addresses } from './tests/served.js'

export default defineConfig({
  testDir: 'tests',
  outputDir: process.env.DEMO_OUTPUT ?? '../.scratch/demo',
  workers: addresses.length,
  fullyParallel: true,
  forbidOnly: true,
  timeout: 60_000,
  expect: { timeout: 20_000 },
  reporter: 'list',
  use: {
    browserName: 'chromium',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--autoplay-policy=no-user-gesture-required',
        '--disable-background-networking',
      ],
    },
  },
})
