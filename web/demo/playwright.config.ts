/** Run by tests/integration/test_demo_app.py, which serves the page and says where. */

import { defineConfig } from 'playwright/test'

import { addresses } from './tests/served.js'

export default defineConfig({
  testDir: 'tests',
  outputDir: process.env.DEMO_OUTPUT ?? '../.scratch/demo',
  workers: addresses.length,
  fullyParallel: true,
  forbidOnly: true,
  timeout: 180_000, // a machine may be slow
  expect: { timeout: 45_000 },
  reporter: 'list',
  use: {
    browserName: 'chromium',
    contextOptions: { reducedMotion: 'reduce' }, // pictures in motion cost what the tests need
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
