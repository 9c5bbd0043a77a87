declare module 'ws'
