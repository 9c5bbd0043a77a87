import { playwright } from '@vitest/browser-playwright'
import { defineConfig } from 'vitest/config'

import { commands } from './test/browser/commands.js'

const { SUPABASE_URL = '', SUPABASE_PUBLISHABLE_KEY = '', MUSIC_TEST_AUDIO = '[]' } = process.env

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'node',
          environment: 'node',
          include: ['test/node/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
      {
        // Known beforehand: a page that finds one more is loaded again in the middle of a test.
        optimizeDeps: {
          include: ['react-dom/client', 'react-dom/server.browser', 'react/jsx-dev-runtime'],
        },
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.{ts,tsx}'],
          testTimeout: 120_000,
          provide: {
            stack: {
              url: SUPABASE_URL,
              key: SUPABASE_PUBLISHABLE_KEY,
              audio: JSON.parse(MUSIC_TEST_AUDIO) as string[],
            },
          },
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({
              launchOptions: {
                executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
                args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required'],
              },
            }),
            instances: [{ browser: 'chromium' }],
            commands,
          },
        },
      },
    ],
  },
})
