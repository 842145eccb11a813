#!/usr/bin/env bash
# The programs that tests drive for real: Chromium, OpenSSH's server, vsftpd, Redis, PHP's SOAP, nginx. Installs what is missing where it may.
set -euo pipefail
missing=()
[ -x /usr/sbin/nginx ] || missing+=(nginx-light)
command -v chromium >/dev/null || missing+=(chromium)
[ -x /usr/sbin/sshd ] || missing+=(openssh-server)
[ -x /usr/sbin/vsftpd ] || missing+=(vsftpd)
[ -x /usr/bin/redis-server ] || missing+=(redis-server)
php -m 2>/dev/null | grep -qix soap || missing+=(php-cli php-soap)
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
  echo "The tests need these programs, and only root may install them: ${missing[*]}" >&2
  exit 1
fi
