;;; Eglot with the documented configuration: ask by command, accept by code action, the text is right. -*- lexical-binding: t -*-

(load (expand-file-name "emacs_eglot" (file-name-directory load-file-name)) nil t)

(lab-start)
(goto-char (point-min))
(forward-line 14)
(end-of-line)
(insert " unsaved")
(undo-boundary)
(countersign-ask "Mark three lines.")
(lab-wait "three hunks" (lambda () (flymake-start) (= (length (lab-hunks)) 3)))

;; A document of the server's is in no project; the commands work there too.
(with-temp-buffer (countersign-stop))

;; Accept one by the menu.
(goto-char (point-min))
(forward-line 14)
(let ((start (float-time)))
  (lab-choose "Accept change")
  (when (> (- (float-time) start) 1.5)
    (error "Accepting held Emacs up for %.2f s" (- (float-time) start))))
(lab-wait "the accepted text" (lambda () (equal (lab-line 15) "line 15 unsaved, second")))
(lab-wait "two hunks" (lambda () (flymake-start) (= (length (lab-hunks)) 2)))
(unless (equal (lab-line 3) "line 3")
  (error "A pending hunk stands in the text"))

;; One undo takes it back.
(undo-boundary)
(let ((last-command 'ignore))
  (undo))
(unless (equal (lab-line 15) "line 15 unsaved")
  (error "After undo line 15 is %s" (lab-line 15)))

;; The rest at once, with the new file.
(goto-char (point-min))
(forward-line 2)
;; Eglot asks before it touches files that are not visited, and makes no folders.
(make-directory "sub")
(fset 'y-or-n-p #'always)
(lab-choose "Accept all")
(lab-wait "the rest" (lambda () (equal (lab-line 3) "line 3, first")))
;; Eglot has no operation that creates a file, so the server puts it on the disk.
(lab-wait "the new file" (lambda () (file-exists-p "sub/new.txt")))
(with-temp-buffer
  (insert-file-contents "sub/new.txt")
  (unless (equal (buffer-string) "one\ntwo\n")
    (error "The new file is %S" (buffer-string))))
(lab-wait "no hunk" (lambda () (flymake-start) (null (lab-hunks))))
(set-buffer-modified-p nil)
(eglot-shutdown (eglot-current-server))
