--- For `vim.lsp.config` of Neovim 0.11 and newer: what the user sets there is laid over this.
return require('countersign.config').client()
