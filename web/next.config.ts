import type { NextConfig } from 'next';

/** The console is a set of static files: the gateway serves them, so there is one origin and no server of its own. */
const config: NextConfig = {
  output: 'export',
  trailingSlash: false,
  images: { unoptimized: true },
  poweredByHeader: false,
  reactStrictMode: true,
  devIndicators: false,
};

export default config;
